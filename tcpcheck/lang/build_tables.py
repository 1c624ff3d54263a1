"""`python -m tcpcheck.lang.build_tables`: builds the parser's tables into the package."""

from tcpcheck.lang.grammar import TABLES, build, write_tables

if __name__ == "__main__":
    write_tables(build())
    print(f"wrote {TABLES}")
