"use strict";
const { workspace } = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

exports.activate = () => {
  const command = workspace.getConfiguration("tcpcheck").get("command");
  const documents = { documentSelector: [{ language: "tcpcheck" }] };
  client = new LanguageClient("tcpcheck", "tcpcheck", { command, args: ["lsp"] }, documents);
  return client.start();
};

exports.deactivate = () => client?.stop();
