"""A small recogniser in the current folder."""

from tests.kinds.fixtures import of_task
from tests.kinds.speech_recognition.project import write_project

project, trained_once, trained = of_task(write_project)
