"""`python -m tcpcheck.lang.build_tables`: builds the parser's tables into the package."""

from tcpcheck.lang.grammar import TABLES, ensure_tables

if __name__ == "__main__":
    ensure_tables()
    print(TABLES)
