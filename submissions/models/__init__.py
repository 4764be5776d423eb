"""The nouns of the challenge; design.md section 2 says what each is."""

from submissions.models.board_entry import BoardEntry
from submissions.models.dataset import Case, Dataset, Split
from submissions.models.evaluation import Evaluation, EvaluationEvent, StatusConflict
from submissions.models.phase import Phase, Quota
from submissions.models.standing import Standing
from submissions.models.submission import Submission
from submissions.models.team import Membership, Team
from submissions.models.token import ApiToken
from submissions.models.upload import Upload
from submissions.models.worker import PeriodicJob, Worker

__all__ = [
    "ApiToken",
    "BoardEntry",
    "Case",
    "Dataset",
    "Evaluation",
    "EvaluationEvent",
    "Membership",
    "PeriodicJob",
    "Phase",
    "Quota",
    "Split",
    "Standing",
    "StatusConflict",
    "Submission",
    "Team",
    "Upload",
    "Worker",
]
