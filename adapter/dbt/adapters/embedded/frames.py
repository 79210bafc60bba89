"""What happens to a DataFrame between a model and its table."""

import os
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from dbt_common.exceptions import CompilationError, DbtRuntimeError
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

# A local table this large is handed over as a file: a request carries 128 MiB at most.
LARGEST_REQUEST = 32 * 1024 * 1024


def spark_frame(session: Any, result: Any, model_name: str, folder: str) -> Any:
    """The result of a Python model as a PySpark DataFrame.

    Takes PySpark and pandas DataFrames and pyarrow Tables; `folder` is a scratch folder that
    must stay until the DataFrame was read. Timestamps without a time zone count as UTC.
    Raises DbtRuntimeError for any other type.
    """
    if hasattr(result, "createOrReplaceTempView"):
        return result
    if hasattr(result, "to_spark"):
        return result.to_spark()
    if type(result).__module__.split(".")[0] == "pandas":
        result = pa.Table.from_pandas(result, preserve_index=False)
    if not isinstance(result, pa.Table):
        raise DbtRuntimeError(
            f"{model_name} returned {type(result).__name__}; a Python model returns a PySpark "
            "DataFrame, a pandas DataFrame or a pyarrow Table"
        )
    utc = pa.timestamp("us", "UTC")
    fields = [f.with_type(utc) if pa.types.is_timestamp(f.type) else f for f in result.schema]
    result = result.cast(pa.schema(fields), safe=False)
    if result.nbytes <= LARGEST_REQUEST:
        return session.createDataFrame(result)
    file = os.path.join(folder, "result.parquet")
    pq.write_table(result, file, compression="lz4")
    return session.read.parquet(file)


def not_null_columns(model: dict[str, Any]) -> set[str]:
    """Columns that the properties file declares `not_null`, in lower case."""
    names = {
        name.lower()
        for name, column in model["columns"].items()
        if any(c["type"] == "not_null" for c in column.get("constraints") or [])
    }
    for constraint in model.get("constraints") or []:
        if constraint["type"] == "not_null":
            names.update(name.lower() for name in constraint.get("columns") or [])
    return names


def conform(frame: Any, model: dict[str, Any], relation: str) -> Any:
    """Projects `frame` to what the model's properties promise, in one pass over the rows.

    A SQL model with an enforced contract and a Python model with `enforce_contract: true`
    (dbt itself allows contracts on SQL models only) have their not-null constraints checked
    while the rows are written; a Python model also gets the declared columns, order and
    types. With `persist_docs: {columns: true}` the descriptions become column comments.

    Raises CompilationError when the columns of a Python model differ from the declared ones.
    """
    config, declared = model["config"], model["columns"]
    python_contract = model.get("language") == "python" and config.get("enforce_contract")
    enforced = python_contract or (config.get("contract") or {}).get("enforced")
    comments = (config.get("persist_docs") or {}).get("columns")
    if not declared or not (enforced or comments):
        return frame

    names = frame.columns
    if python_contract:
        actual = {name.lower() for name in names}
        wanted = {name.lower() for name in declared}
        if actual != wanted:
            raise CompilationError(
                f"{relation} breaks its contract: missing columns "
                f"{sorted(wanted - actual)}, unexpected columns {sorted(actual - wanted)}"
            )
        names = list(declared)
    required = not_null_columns(model) if enforced else set()
    by_name = {name.lower(): column for name, column in declared.items()}

    columns = []
    for name in names:
        column, details = F.col(f"`{name}`"), by_name.get(name.lower(), {})
        if python_contract and details.get("data_type"):
            column = column.cast(details["data_type"])
        if name.lower() in required:
            message = f"null value in not_null column {name} of {relation}"
            column = F.coalesce(column, F.raise_error(F.lit(message)))
        description = comments and details.get("description")
        metadata = {"comment": description} if description else None
        columns.append(column.alias(name, metadata=metadata) if metadata else column.alias(name))
    return frame.select(*columns)


def align(frame: Any, schema: StructType) -> Any:
    """Projects `frame` to the columns and types of an existing table; absent ones are null."""
    given = {name.lower() for name in frame.columns}
    return frame.select(
        *(
            (F.col(f"`{field.name}`") if field.name.lower() in given else F.lit(None))
            .cast(field.dataType)
            .alias(field.name)
            for field in schema
        )
    )
