"""HTTP front of the stand-in: Thrift for SQL, REST for notebooks, OAuth for service principals."""

import base64
import json
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlparse

import pyarrow as pa
from databricks.sql.thrift_api.TCLIService import TCLIService, ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from .workspace import Workspace, WorkspaceError

HTTP_PATH = "/sql/1.0/warehouses/stand-in"
CLIENT_ID = "00000000-0000-4000-8000-000000000000"
CLIENT_SECRET = "dose-stand-in-secret"
ACCESS_TOKEN = "stand-in-access-token"

SUCCESS = ttypes.TStatus(statusCode=ttypes.TStatusCode.SUCCESS_STATUS)
TYPE_IDS = {
    pa.bool_(): ttypes.TTypeId.BOOLEAN_TYPE,
    pa.int8(): ttypes.TTypeId.TINYINT_TYPE,
    pa.int16(): ttypes.TTypeId.SMALLINT_TYPE,
    pa.int32(): ttypes.TTypeId.INT_TYPE,
    pa.int64(): ttypes.TTypeId.BIGINT_TYPE,
    pa.float32(): ttypes.TTypeId.FLOAT_TYPE,
    pa.float64(): ttypes.TTypeId.DOUBLE_TYPE,
    pa.date32(): ttypes.TTypeId.DATE_TYPE,
    pa.null(): ttypes.TTypeId.NULL_TYPE,
}


def type_id(kind: pa.DataType) -> int:
    """Return the Thrift type of an Arrow type."""
    if pa.types.is_timestamp(kind):
        return ttypes.TTypeId.TIMESTAMP_TYPE
    if pa.types.is_list(kind):
        return ttypes.TTypeId.ARRAY_TYPE
    if pa.types.is_struct(kind):
        return ttypes.TTypeId.STRUCT_TYPE
    if pa.types.is_decimal(kind):
        return ttypes.TTypeId.DECIMAL_TYPE
    return TYPE_IDS.get(kind, ttypes.TTypeId.STRING_TYPE)


def column_description(field: pa.Field) -> ttypes.TColumnDesc:
    """Return name and type of a column as Thrift has them."""
    qualifiers = None
    if pa.types.is_decimal(field.type):
        sizes = {"precision": field.type.precision, "scale": field.type.scale}
        qualifiers = ttypes.TTypeQualifiers(
            {name: ttypes.TTypeQualifierValue(i32Value=size) for name, size in sizes.items()}
        )
    primitive = ttypes.TPrimitiveTypeEntry(type_id(field.type), qualifiers)
    kind = ttypes.TTypeDesc(types=[ttypes.TTypeEntry(primitiveEntry=primitive)])
    return ttypes.TColumnDesc(columnName=field.name, typeDesc=kind, position=0)


class SqlService(TCLIService.Iface):
    """The part of the SQL endpoint's Thrift service that answers at once, with Arrow batches."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def OpenSession(self, req: ttypes.TOpenSessionReq) -> ttypes.TOpenSessionResp:  # noqa: N802 (Thrift's name)
        """Open a session; there is nothing to keep of it."""
        handle = ttypes.THandleIdentifier(uuid.uuid4().bytes, uuid.uuid4().bytes)
        return ttypes.TOpenSessionResp(
            status=SUCCESS,
            serverProtocolVersion=ttypes.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V7,
            sessionHandle=ttypes.TSessionHandle(handle),
            initialNamespace=req.initialNamespace,
            canUseMultipleCatalogs=True,
        )

    def CloseSession(self, req: ttypes.TCloseSessionReq) -> ttypes.TCloseSessionResp:  # noqa: N802 (Thrift's name)
        """Close a session."""
        return ttypes.TCloseSessionResp(status=SUCCESS)

    def CloseOperation(self, req: ttypes.TCloseOperationReq) -> ttypes.TCloseOperationResp:  # noqa: N802 (Thrift's name)
        """Close an operation."""
        return ttypes.TCloseOperationResp(status=SUCCESS)

    def ExecuteStatement(self, req: ttypes.TExecuteStatementReq) -> ttypes.TExecuteStatementResp:  # noqa: N802 (Thrift's name)
        """Run a statement and return all of its rows with the answer."""
        handle = ttypes.TOperationHandle(
            ttypes.THandleIdentifier(uuid.uuid4().bytes, uuid.uuid4().bytes),
            ttypes.TOperationType.EXECUTE_STATEMENT,
            True,
        )
        response = ttypes.TExecuteStatementResp(status=SUCCESS, operationHandle=handle)
        try:
            table = self.workspace.execute(req.statement)
        except Exception as error:
            failed = ttypes.TGetOperationStatusResp(
                status=SUCCESS,
                operationState=ttypes.TOperationState.ERROR_STATE,
                displayMessage=str(error),
            )
            response.directResults = ttypes.TSparkDirectResults(operationStatus=failed)
            return response
        batches = [
            ttypes.TSparkArrowBatch(batch.serialize().to_pybytes(), batch.num_rows)
            for batch in table.to_batches()
        ]
        response.directResults = ttypes.TSparkDirectResults(
            operationStatus=ttypes.TGetOperationStatusResp(
                status=SUCCESS, operationState=ttypes.TOperationState.FINISHED_STATE
            ),
            resultSetMetadata=ttypes.TGetResultSetMetadataResp(
                status=SUCCESS,
                schema=ttypes.TTableSchema([column_description(f) for f in table.schema]),
                resultFormat=ttypes.TSparkRowSetType.ARROW_BASED_SET,
                lz4Compressed=False,
                arrowSchema=table.schema.serialize().to_pybytes(),
            ),
            resultSet=ttypes.TFetchResultsResp(
                status=SUCCESS,
                hasMoreRows=False,
                results=ttypes.TRowSet(startRowOffset=0, rows=[], arrowBatches=batches),
            ),
            closeOperation=ttypes.TCloseOperationResp(status=SUCCESS),
        )
        return response


class RestService:
    """The REST requests of dbt-databricks for a Python model, by method and path."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.routes = {
            ("GET", "/api/2.0/preview/scim/v2/Me"): self.me,
            ("POST", "/api/2.0/workspace/mkdirs"): lambda body: {},
            ("POST", "/api/2.0/workspace/import"): self.import_notebook,
            ("POST", "/api/2.2/jobs/runs/submit"): self.submit,
            ("GET", "/api/2.2/jobs/runs/get"): self.get_run,
            ("GET", "/api/2.2/jobs/runs/get-output"): self.get_output,
            ("PATCH", "/api/2.0/permissions/jobs"): self.set_permissions,
        }

    def me(self, body: dict) -> dict:
        """Return the user."""
        return {"userName": CLIENT_ID}

    def import_notebook(self, body: dict) -> dict:
        """Keep the source of a notebook."""
        if (body["format"], body["language"]) != ("SOURCE", "PYTHON"):
            raise WorkspaceError(f"not a Python notebook: {body['path']}")
        self.workspace.notebooks[body["path"]] = base64.b64decode(body["content"]).decode()
        return {}

    def submit(self, body: dict) -> dict:
        """Run a notebook to its end."""
        (task,) = body["tasks"]
        environments = {each["environment_key"] for each in body.get("environments", [])}
        key = task.get("environment_key")
        if key and key not in environments:
            raise WorkspaceError(f"environment_key {key} is none of {environments}")
        if key and ("new_cluster" in task or task.get("libraries")):
            raise WorkspaceError("an environment is for serverless compute alone")
        code = self.workspace.notebooks[task["notebook_task"]["notebook_path"]]
        return {"run_id": self.workspace.run_notebook(body, code).number}

    def set_permissions(self, body: dict) -> dict:
        """Accept the service principal as the owner of its run."""
        for entry in body["access_control_list"]:
            if entry != {"service_principal_name": CLIENT_ID, "permission_level": "IS_OWNER"}:
                raise WorkspaceError(f"no such principal: {entry}")
        return {}

    def get_run(self, query: dict) -> dict:
        """Return the state of a run."""
        number = int(query["run_id"])
        failed = self.workspace.runs[number - 1].error
        state = {"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"}
        if failed:
            state = {"life_cycle_state": "INTERNAL_ERROR", "result_state": "FAILED"}
        tasks = [{"run_id": number, "task_key": "inner_notebook"}]
        return {"run_id": number, "job_id": number, "state": state, "tasks": tasks}

    def get_output(self, query: dict) -> dict:
        """Return the error of a run."""
        return {"error": self.workspace.runs[int(query["run_id"]) - 1].error}


class Handler(BaseHTTPRequestHandler):
    """One request; every one but the sign-in must carry the access token."""

    protocol_version = "HTTP/1.1"
    workspace: ClassVar[Workspace]

    def log_message(self, *arguments: Any) -> None:
        """Keep the output of the tests clean."""

    def do_GET(self) -> None:
        """Answer a REST request or the discovery of the sign-in."""
        url = urlparse(self.path)
        if url.path == "/oidc/.well-known/oauth-authorization-server":
            base = f"http://{self.headers['Host']}/oidc/v1"
            endpoints = {
                "token_endpoint": f"{base}/token",
                "authorization_endpoint": f"{base}/auth",
            }
            self.answer(200, endpoints)
            return
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.rest("GET", url.path, query)

    def do_POST(self) -> None:
        """Answer a Thrift call, a REST request or the sign-in."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/oidc/v1/token":
            expected = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
            granted = self.headers["Authorization"] == f"Basic {expected}"
            token = {"access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600}
            self.answer(*((200, token) if granted else (401, {"error": "invalid_client"})))
        elif self.path != HTTP_PATH:
            self.rest("POST", self.path, json.loads(body))
        elif self.is_signed_in():
            answer = TMemoryBuffer()
            processor = TCLIService.Processor(SqlService(self.workspace))
            processor.process(TBinaryProtocol(TMemoryBuffer(body)), TBinaryProtocol(answer))
            self.send(200, "application/x-thrift", answer.getvalue())

    def do_PATCH(self) -> None:
        """Answer a REST request."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.rest("PATCH", self.path, json.loads(body))

    def rest(self, method: str, path: str, body: dict) -> None:
        """Answer a REST request."""
        # The number of a job, alone in its place, is no part of the route.
        route = RestService(self.workspace).routes.get((method, re.sub(r"/\d+$", "", path)))
        if not route:
            self.answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": f"{method} {path}"})
        elif self.is_signed_in():
            try:
                self.answer(200, route(body))
            except (WorkspaceError, KeyError) as error:
                self.answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": str(error)})

    def is_signed_in(self) -> bool:
        """Tell whether the request carries the token; answer it when it does not."""
        if self.headers["Authorization"] == f"Bearer {ACCESS_TOKEN}":
            return True
        self.answer(401, {"error_code": "UNAUTHENTICATED", "message": "no valid token"})
        return False

    def answer(self, status: int, body: dict) -> None:
        """Send JSON."""
        self.send(status, "application/json", json.dumps(body).encode())

    def send(self, status: int, kind: str, body: bytes) -> None:
        """Send a whole response."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def serve(workspace: Workspace) -> Iterator[str]:
    """Serve a workspace on a free port of this machine; gives its address."""
    handler = type("BoundHandler", (Handler,), {"workspace": workspace})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
