// SPDX-License-Identifier: Apache-2.0
import TestSupport
import Testing
import Threads

/// A client of all servers of a lab that writes and reads objects without a pause, one node after the
/// other. What a server has taken it must give back as it was; it may be away.
final class ObjectClient {
  private let lab: Lab
  private let process: BackgroundProcess
  private let stop: String

  /// Starts it; it ends by itself after some minutes.
  init(_ lab: Lab) throws {
    self.lab = lab
    stop = lab.directory.path("stop-objects")
    let script = try lab.file("objects.py", Self.script)
    try lab.run("rm -f \(stop)")
    process = try lab.start(
      "python3 \(script) \(stop) lab-admin lab-admin-password \(lab.nodes.joined(separator: " "))",
      seconds: 600)
  }

  /// How many objects each node has taken so far.
  private var written: [String: Int] { Self.written(process.lines) }

  private static func written(_ lines: [BackgroundProcess.Line]) -> [String: Int] {
    lines.reduce(into: [:]) { counts, line in
      let words = line.text.split(separator: " ").map(String.init)
      if words.first == "written", words.count == 3 { counts[words[2], default: 0] += 1 }
    }
  }

  /// Waits until each of these nodes has taken so many more objects.
  func awaitWrites(
    _ count: Int = 3, on nodes: [String], at location: SourceLocation = #_sourceLocation
  ) throws {
    let before = written
    let isDone = process.wait(until: .inMilliseconds(60_000)) { lines in
      let now = Self.written(lines)
      return nodes.allSatisfy { now[$0, default: 0] >= before[$0, default: 0] + count }
    }
    try #require(
      isDone, "\(before) \(written) \(process.lines.suffix(5).map(\.text))",
      sourceLocation: location)
  }

  /// Has it read every object again, and ends it. Nothing was lost, and no answer was wrong.
  func finish(at location: SourceLocation = #_sourceLocation) throws {
    try lab.run("touch \(stop)")
    let outcome = try process.outcome()
    let written = self.written
    #expect(outcome.status == 0, "\(outcome.stderr)", sourceLocation: location)
    let wrong = process.lines.map(\.text).filter { !$0.hasPrefix("written ") }
    #expect(
      wrong == ["read \(written.values.reduce(0, +))"], "\(wrong)", sourceLocation: location)
    print("objects written and read again: \(written.sorted { $0.key < $1.key })")
  }

  /// It prints `written NUMBER NODE` for each object that was taken, and `read COUNT` at the end when
  /// all could be read; else what was wrong.
  private static let script = """
    import hashlib, hmac, http.client, os, random, sys, time
    stop, user, password, *nodes = sys.argv[1:]

    def hash(text): return hashlib.sha256(text).hexdigest()
    def mac(key, text): return hmac.new(key, text.encode(), hashlib.sha256).digest()

    # AWS Signature Version 4.
    def ask(node, method, path, body=b""):
        when, host = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), node + ":9000"
        fields = {"host": host, "x-amz-content-sha256": hash(body), "x-amz-date": when}
        names = ";".join(sorted(fields))
        lines = "".join("%s:%s\\n" % field for field in sorted(fields.items()))
        request = "\\n".join([method, path, "", lines, names, hash(body)])
        scope = when[:8] + "/us-east-1/s3/aws4_request"
        text = "\\n".join(["AWS4-HMAC-SHA256", when, scope, hash(request.encode())])
        key = ("AWS4" + password).encode()
        for part in scope.split("/"): key = mac(key, part)
        fields["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
            user, scope, names, mac(key, text).hex())
        try:
            connection = http.client.HTTPConnection(node, 9000, timeout=5)
            connection.request(method, path, body, fields)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None, b""

    def say(*words): print(*words, flush=True)

    def read(number):
        node, body = objects[number]
        status, found = ask(node, "GET", "/lab/object-%d" % number)
        # Away, or not yet there.
        if status in (None, 503): return False
        if (status, found) != (200, body): say("wrong", number, node, status, found[:200])
        return True

    objects, number, failures = {}, 0, 0
    while not os.path.exists(stop):
        number += 1
        node, body = nodes[number % len(nodes)], random.randbytes(random.randrange(1, 5000))
        status, answer = ask(node, "PUT", "/lab/object-%d" % number, body)
        if status == 200:
            objects[number] = (node, body)
            say("written", number, node)
        elif status not in (None, 503):
            say("refused", number, node, status, answer[:200])
        if objects: read(random.choice(list(objects)))
        time.sleep(0.02)
    end = time.monotonic() + 60
    left = [number for number in objects if not read(number)]
    while left and time.monotonic() < end:
        time.sleep(0.2)
        left = [number for number in left if not read(number)]
    say("read", len(objects) - len(left))

    """
}
