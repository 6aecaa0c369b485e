"""The scores of an anomaly detection task: `stages.kinds.anomaly_detection.evaluate` says what each
of them is."""

from stages.scores import Score

_LABELS = "labels, with an anomaly in the test split: set ingest.windows or ingest.labels"
SCORES = {
    **{
        name: Score("higher", 1.0, _LABELS)
        for name in (
            "vus_pr",
            "vus_roc",
            "range_auc_pr",
            "range_auc_roc",
            "auc_pr",
            "vus_pr_unsmoothed",
            "vus_pr_whole",
            "event_precision",
            "event_recall",
            "event_f1",
        )
    },
    **{name: Score(needs=_LABELS) for name in ("delay", "false_alarms")},
    # No rate is perfect, so there is no skill.
    "alarm_rate": Score(perfect=float("nan")),
}
HEADLINES = ("vus_pr_unsmoothed", "event_f1", "false_alarms")
