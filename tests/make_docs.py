"""`make docs`: docs/ledger.md from the ledger's entries."""

from pathlib import Path

from comparisons.ledger import ledger
from reports.ledger_markdown import to_markdown

PAGE = Path(__file__).resolve().parent.parent / "docs" / "ledger.md"


def main() -> None:
    """Write it anew."""
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(to_markdown(ledger().values()), encoding="utf-8")
    print(f"{len(ledger())} entries are in {PAGE}")


if __name__ == "__main__":
    main()
