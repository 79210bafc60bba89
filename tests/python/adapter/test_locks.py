"""One writer a schema: the lock belongs to the process that took it, and ends with it."""

import os

from dbt.adapters.embedded.locks import SchemaLocks
from dbt_common.exceptions import DbtRuntimeError


def test_fork_of_a_builder_is_none(tmp_path):
    locks = SchemaLocks(tmp_path)
    locks.take("main")
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        try:
            locks.take("main")
            answer = b"taken"
        except DbtRuntimeError:
            answer = b"refused"
        os.write(ready[1], answer)
        os.read(done[0], 1)
        os._exit(0)
    assert os.read(ready[0], 10) == b"refused"
    locks.release()
    SchemaLocks(tmp_path).take("main")  # though the child lives on
    os.write(done[1], b"!")
    os.waitpid(child, 0)
