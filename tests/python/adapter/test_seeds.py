"""A seed is read strictly: errors name the line, and the table stays as it was."""

import pytest
from dbt.adapters.embedded.seeds import read_seed
from dbt_common.exceptions import DbtRuntimeError

TYPES = {"name": "string", "weight": "int", "share": "double", "is_new": "boolean"}
GOOD = "name,weight,share,is_new\nAnn,1,0.5,true\n"
UNREADABLE = {
    "nothing": ("", "line 1: no column 'name' between ',', but nothing"),
    "semicolons": (
        GOOD.replace(",", ";"),
        "line 1: no column 'name' between ',', but 'name;weight;share;is_new'",
    ),
    "column in capitals": (GOOD.replace("name", "Name"), "line 1: no column 'name' between"),
    "cp1252": ((GOOD + "Zoë,2,1,false\n").encode("cp1252"), "line 3: byte 0xeb is not UTF-8"),
    "short row": (GOOD + "\nBob,2,1\n", "line 4: 3 values for 4 columns"),
    "long row": (GOOD + '"a\nb",1,1,true\nBob,2,1,,\n', "line 5: 5 values for 4 columns"),
    "open quote": (GOOD + 'Bob,"2,1,true\nCid,3,1,true\n', "line 3: unexpected end of data"),
    "quote inside": (GOOD + '"Bob" B,2,1,true\n', "line 3: ',' expected after '\"'"),
    "text for a number": (GOOD + "Bob,two,1,true\n", "line 3: 'two' in column 'weight' is no int"),
    "two decimal points": (GOOD + "Bob,2,1.0.0,true\n", "line 3: '1.0.0' in column 'share' is no"),
    "no boolean": (GOOD + "Bob,2,1,maybe\n", "line 3: 'maybe' in column 'is_new' is no boolean"),
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_line_that_cannot_be_read_is_named(tmp_path, kind):
    content, message = UNREADABLE[kind]
    path = tmp_path / "names.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DbtRuntimeError) as raised:
        read_seed(path, TYPES, ",")
    assert f"names.csv, {message}" in str(raised.value)


def test_names_for_nothing_are_texts_and_an_empty_cell_is_missing(tmp_path):
    path = tmp_path / "names.csv"
    lines = ["name,weight,guessed", "Null,null,1", "NA,2,null", "None,,3", ",4,", '"a ""b"" c",5,5']
    path.write_bytes("\r\n".join(["\ufeff" + lines[0], *lines[1:], "", ""]).encode())
    rows = [tuple(row) for row in read_seed(path, {"name": "string", "weight": "int"}, ",").rows]
    names, weights, guessed = zip(*rows, strict=True)
    assert names == ("Null", "NA", "None", None, 'a "b" c')
    assert weights == (None, "2", None, "4", "5")
    assert guessed == (1, None, 3, None, 5)


def test_unreadable_seed_keeps_its_table(project):
    types = "seeds: [{name: names, config: {column_types: {name: string, weight: int}}}]"
    project.write({"seeds/names.csv": "name,weight\nNull,1\n", "seeds/names.yml": types})
    project.build()
    project.write({"seeds/names.csv": "name;weight\nNull;1\nNa;2\n"})
    assert "names.csv, line 1: no column 'name'" in project.run("seed")["names"].message
    assert project.rows("names") == [{"name": "Null", "weight": 1}]
    project.write({"seeds/names.csv": "name,weight\n"})
    project.build()
    assert project.rows("names") == []
    (project.folder / "seeds" / "names.csv").write_bytes("name,weight\nZoë,1\n".encode("cp1252"))
    with pytest.raises(DbtRuntimeError, match=r"names\.csv, line 2: byte 0xeb is not UTF-8"):
        project.run("seed")
