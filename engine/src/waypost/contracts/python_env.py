"""A python_env.yaml: the packages that MLflow installs for a component."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, field_validator

from waypost.contracts.names import file_near


class PythonEnv(BaseModel):
    """A python_env.yaml: what MLflow installs for the component, `build_dependencies` first.

    `conda` is the conda.yaml that it was made from, `beyond` its parts that uv cannot build.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    python: str | None = None
    build_dependencies: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    conda: str = ""
    beyond: tuple[str, ...] = ()

    @field_validator("dependencies")
    @classmethod
    def _files_near(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for line in value:
            if (file := requirement_file(line)) is not None:
                file_near(file)
        return value

    @property
    def requirement_files(self) -> tuple[str, ...]:
        """Files named in lines of `dependencies`, such as `-r requirements.txt`."""
        return tuple(file for line in self.dependencies if (file := requirement_file(line)))


def requirement_file(line: str) -> str | None:
    """Returns the file in a dependency line such as `-r requirements.txt`, else None."""
    flag, _, file = line.partition(" ")
    return file.strip() if flag in ("-r", "--requirement") else None
