"""What Airflow says while it runs a night, heard for what the steps say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from nightshelf.errors import NightshelfError
from nightshelf.progress import Progress, console


@dataclass
class Listener:
    """Reads Airflow's JSON lines, shows what the steps say, and remembers why one failed."""

    shown: Progress
    task: str = ""
    step_speaks: bool = False
    said: list[str] = field(default_factory=list)
    failed: tuple[str, int, list[str]] | None = None

    def hear(self, line: str) -> None:
        try:
            record = json.loads(line)
            event, logger = str(record["event"]), str(record.get("logger", ""))
        except (ValueError, TypeError, KeyError):
            return  # a library that prints past the log; the file keeps it
        if event.startswith("[DAG TEST] starting task_id="):
            self._task_starts(event.split("=", 1)[1].split()[0])
        elif logger.endswith("SubprocessHook"):
            self._hear_hook(event)

    def _task_starts(self, task: str) -> None:
        if self.failed and self.failed[0] == task:
            console.print(
                f"  {task} failed; Airflow tries it again: {self._told()[0]}", markup=False
            )
        self.task, self.said, self.step_speaks = task, [], False
        self.shown.advance(task)

    def _hear_hook(self, event: str) -> None:
        if event == "Output:":
            self.step_speaks = True
        elif event.startswith("Command exited with return code "):
            self.step_speaks = False
            code = int(event.rsplit(" ", 1)[1])
            if code:
                self.failed = (self.task, code, self.said)
            elif self.failed and self.failed[0] == self.task:
                # A later try of it. The page of a red night is made after it, and mends nothing.
                self.failed = None
        elif self.step_speaks:
            self._step_says(event)

    def _step_says(self, line: str) -> None:
        self.said.append(line)
        if line.startswith(f"  {self.task.split('.')[-1]}: "):
            self.shown.advance(line.strip())
        elif not any(said.startswith("✗ ") for said in self.said):  # an error is told at the end
            console.print(line, markup=False)

    def _told(self) -> tuple[str, str]:
        """What the failed step said after its ✗: what happened, and the next step."""
        lines = self.failed[2] if self.failed else []
        starts = [n for n, line in enumerate(lines) if line.startswith("✗ ")]
        text = "\n".join(lines[starts[-1] :] if starts else lines[-10:]).removeprefix("✗ ")
        what, _, next_step = text.partition("\n  Next: ")
        return what or "it said nothing", next_step

    def failure(self, log: Path) -> NightshelfError:
        """The step's own error, or Airflow's if no step failed."""
        if self.failed is None:
            return NightshelfError(
                f"Airflow failed{f' at task {self.task}' if self.task else ''}, not a step.",
                f"Read the end of {log}; `nightshelf night` runs the same steps without Airflow.",
            )
        task, code, _ = self.failed
        what, next_step = self._told()
        kind = {e.exit_code: e for e in NightshelfError.__subclasses__()}.get(code, NightshelfError)
        error = kind(
            f"Task {task} failed: {what}", next_step or f"Read {log}, then run the night again."
        )
        error.exit_code = code if code > 0 else 128 - code
        return error
