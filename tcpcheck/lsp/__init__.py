"""The language server: what an editor asks about a spec while it is written. `tcpcheck lsp` runs it."""
