// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import TestSupport
import Testing
import Threads

/// A real browser without a screen, for the pages that commands write.
enum Browser {
  static let program = "/usr/bin/chromium"
  static var isThere: Bool { FileManager.default.isExecutableFile(atPath: program) }

  /// What the browser makes of a page: texts that lie on one another, how far it is wider than the window, how many
  /// texts it shows, and its background.
  struct Sight {
    var overlaps: [String]
    var excess: Int
    var texts: Int
    var background: String
  }

  /// Shows the page in a window of so many pixels. Blocks until it is drawn.
  static func show(_ page: String, width: Int, isDark: Bool) throws -> Sight {
    let directory = try TemporaryDirectory()
    let quoted = page.replacing("&", with: "&amp;").replacing("\"", with: "&quot;")
    let frame = """
      <!DOCTYPE html><meta charset="utf-8">
      <iframe id="page" style="width:\(width)px;height:4000px;border:0" srcdoc="\(quoted)"></iframe>
      <pre id="seen"></pre><script>\(script)</script>
      """
    try frame.write(toFile: directory.path("frame.html"), atomically: false, encoding: .utf8)
    let outcome = try Subprocess.run(
      program,
      [
        "--headless", "--no-sandbox", "--disable-gpu",
        "--user-data-dir=\(directory.path("profile"))",
        "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)", "--window-size=1400,1000",
        "--virtual-time-budget=5000", "--dump-dom", "file://\(directory.path("frame.html"))",
      ], until: .inMilliseconds(60_000))
    let seen = try #require(
      outcome.stdout.firstRange(of: "<pre id=\"seen\">").map { outcome.stdout[$0.upperBound...] },
      "\(outcome.status) \(outcome.stderr.suffix(500))")
    let lines = seen.prefix { $0 != "<" }.split(separator: "\n").map(String.init)
    try #require(lines.count >= 3, "\(outcome.stderr.suffix(500))")
    return Sight(
      overlaps: Array(lines.dropFirst(3)), excess: Int(lines[0]) ?? -1, texts: Int(lines[1]) ?? 0,
      background: lines[2])
  }

  private static let script = """
    document.getElementById("page").onload = function () {
      const page = this.contentDocument, places = [];
      const walk = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) {
        const node = walk.currentNode;
        if (!node.data.trim() || node.parentElement.closest("title")) continue;
        // What is folded has places too.
        if (node.parentElement.closest("details:not([open])") && !node.parentElement.closest("summary")) continue;
        const range = page.createRange();
        range.selectNodeContents(node);
        for (const box of range.getClientRects())
          if (box.width > 0 && box.height > 0) places.push({ box, text: node.data.trim(), node });
      }
      const bad = [];
      for (let a = 0; a < places.length; a++)
        for (let b = a + 1; b < places.length; b++) {
          const [p, q] = [places[a].box, places[b].box];
          const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
          const high = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
          if (places[a].node !== places[b].node && wide > 1 && high > 3)
            bad.push(places[a].text + " | " + places[b].text);
        }
      const root = page.documentElement;
      document.getElementById("seen").textContent = [root.scrollWidth - root.clientWidth, places.length,
        getComputedStyle(page.body).backgroundColor, ...bad.slice(0, 20)].join("\\n");
    };
    """
}
