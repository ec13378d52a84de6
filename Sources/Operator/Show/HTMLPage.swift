// SPDX-License-Identifier: Apache-2.0

extension HTML {
  /// A whole page: no script, nothing from elsewhere, and a policy that forbids both.
  ///
  /// - Parameter body: escaped already.
  static func page(_ title: String, _ body: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(escaped(title))</title>
    <style>
    \(style)
    </style>
    </head>
    <body>
    \(body)</body>
    </html>

    """
  }

  /// A few entries under one word; nothing for none. Every entry is escaped.
  static func list(_ word: String, _ entries: [String]) -> String {
    if entries.isEmpty { return "" }
    return "<dl><dt>\(word)</dt>"
      + entries.map { "<dd>\(escaped($0))</dd>" }.joined(separator: "\n") + "</dl>\n"
  }

  private static let style = """
    :root { color-scheme: light dark; --text: #1f2630; --dim: #66707d; --line: #dfe3e8; --page: #fff; --soft: #f3f5f8;
      --checking: #c3cbd6; --waiting: #93a1b5; --armed: #e3b94d; --stopping: #d9774b;
      --starting: #4f8fcf; --verifying: #5bb39b; --good: #2b8a4b; --bad: #c9342b; }
    @media (prefers-color-scheme: dark) { :root { --text: #e4e8ee; --dim: #98a2b0; --line: #363d47;
      --page: #16191e; --soft: #20252c; --checking: #4d5764; --waiting: #6f7f95; --good: #43b36a; --bad: #ea5a50; } }
    body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
      max-width: 1080px; margin: 2em auto; padding: 0 1.5em; }
    h1 { font-size: 1.5em; margin: 0 0 .4em; } h2 { font-size: 1.1em; margin: 2em 0 .5em; }
    p { margin: .1em 0; color: var(--dim); } p.recap { color: var(--text); font-weight: 600; }
    svg { width: 100%; height: auto; display: block; }
    p.verdict { font-size: 1.15em; font-weight: 600; padding: .5em .8em; margin: 0 0 .8em;
      border-left: .35em solid var(--dim); background: var(--soft); color: var(--text); }
    p.verdict.good { border-color: var(--good); background: var(--soft); }
    p.verdict.bad { border-color: var(--bad); background: var(--soft); }
    p.verdict.doubtful { border-color: var(--armed); }
    dl { margin: 0 0 .8em; } dt { color: var(--dim); float: left; width: 3.5em; }
    dd { margin: 0 0 .2em 3.5em; overflow-wrap: anywhere; }
    pre { background: var(--soft); padding: .6em .8em; overflow-x: auto; font-size: .87em; margin: 0; }
    .scroll { overflow-x: auto; } .narrow { display: none; }
    .start { stroke: var(--text); stroke-width: 2; }
    .key.tick { width: 2px; height: 1em; border-radius: 0; background: var(--text); margin-left: .5em; }
    @media (max-width: 640px) { .wide { display: none; } .narrow { display: block; }
      body { margin: 1em auto; padding: 0 .8em; } h1 { font-size: 1.2em; overflow-wrap: anywhere; } }
    svg text { font: 12px system-ui, sans-serif; fill: var(--text); }
    svg text.tick, svg text.problem { fill: var(--dim); font-size: 11px; }
    .grid { stroke: var(--line); } .instant { stroke: var(--text); stroke-width: 1.5; }
    .checking { fill: var(--checking); background: var(--checking); }
    .waiting { fill: var(--waiting); background: var(--waiting); }
    .armed { fill: var(--armed); background: var(--armed); }
    .stopping { fill: var(--stopping); background: var(--stopping); }
    .starting { fill: var(--starting); background: var(--starting); }
    .verifying { fill: var(--verifying); background: var(--verifying); }
    .good { fill: var(--good); } .key.good { background: var(--good); }
    .bad { fill: var(--bad); } .key.bad { background: var(--bad); }
    circle { stroke: var(--page); stroke-width: 1.5; }
    ul.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .3em 1.4em; padding: 0;
      margin: .6em 0 0; font-size: .87em; }
    .key { display: inline-block; width: 1em; height: .75em; margin-right: .45em; border-radius: 2px; }
    .key.round { width: .75em; border-radius: 50%; }
    table { border-collapse: collapse; width: 100%; font-size: .9em;
      font-variant-numeric: tabular-nums; }
    th { text-align: left; font-weight: 600; color: var(--dim); }
    th, td { padding: .25em .9em .25em 0; border-bottom: 1px solid var(--line);
      vertical-align: top; white-space: nowrap; }
    td.good { color: var(--good); } td.bad { color: var(--bad); } td.doubtful { color: var(--armed); }
    td:last-child { width: 100%; white-space: normal; overflow-wrap: anywhere; }
    details { margin: .4em 0; } summary { cursor: pointer; }
    """
}
