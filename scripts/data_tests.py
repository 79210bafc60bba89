"""Run every data test on all days of the world that is there: become dbt.

As with make append, the local target tells what its world was made from; other targets are told by
PRESET and VARS.
"""

from append import become_dbt_of_world, world_parser


def main() -> None:
    """Test the world of the target that the command line names."""
    arguments = world_parser(__doc__.splitlines()[0]).parse_args()
    become_dbt_of_world(arguments, "test", "--select", "test_type:data")


if __name__ == "__main__":
    main()
