// SPDX-License-Identifier: Apache-2.0
import HTTP
import Model
import Testing

/// Feeds `text`, then the end of the connection if that is asked for.
private func parse(
  _ text: String, bodyLimit: Int = 16, ends: Bool = false
) throws(HTTPViolation) -> HTTPResponse? {
  var parser = HTTPResponseParser(bodyLimit: bodyLimit)
  parser.feed(Array(text.utf8))
  if let response = try parser.next() { return response }
  return ends ? try parser.end() : nil
}

private func isRefused(_ text: String, bodyLimit: Int = 16, ends: Bool = false) -> Bool {
  do throws(HTTPViolation) {
    _ = try parse(text, bodyLimit: bodyLimit, ends: ends)
    return false
  } catch { return error.status == 502 }
}

@Suite struct HTTPResponseParserTests {
  @Test(
    "each way to frame a body is understood",
    arguments: [
      ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc", "abc", true, false),
      ("HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", "", true, false),
      ("HTTP/1.1 204 No Content\r\n\r\n", "", true, false),
      ("HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 1\r\n\r\na", "a", false, false),
      ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\na", "a", false, false),
      (
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;x=y\r\nab\r\n1 \r\nc\r\n0\r\n"
          + "t: u\r\n\r\n", "abc", true, false
      ),
      ("HTTP/1.1 200 OK\r\n\r\nabc", "abc", false, true),
      (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\na: b\r\n\r\n"
          + "HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na", "a", true, false
      ),
    ])
  func framing(_ text: String, _ body: String, _ staysOpen: Bool, _ ends: Bool) throws {
    var whole = HTTPResponseParser(bodyLimit: 3)
    whole.feed(Array(text.utf8))
    let response = try whole.next()
    #expect((response == nil) == ends)
    #expect(try (response ?? whole.end()).body == Array(body.utf8))
    #expect(whole.staysOpen == staysOpen)

    var piecemeal = HTTPResponseParser(bodyLimit: 3)
    var found: HTTPResponse?
    for byte in text.utf8 {
      #expect(found == nil)
      piecemeal.feed([byte])
      found = try piecemeal.next()
    }
    #expect(try (found ?? piecemeal.end()).body == Array(body.utf8))
  }

  @Test("of an answer to CONNECT only the head is taken, whatever it says of a body")
  func connect() throws {
    var parser = HTTPResponseParser(bodyLimit: 3, toConnect: true)
    parser.feed(Array("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".utf8))
    #expect(try parser.next()?.body == [])
    #expect(parser.isIdle)
    parser.feed(Array("HTTP/1.1 407 no\r\ncontent-length: 1\r\n\r\nab".utf8))
    #expect(try parser.next() == HTTPResponse(407, headers: ["content-length": "1"]))
    #expect(!parser.isIdle)
  }

  @Test("a line between chunks may have as many bytes as a line of the head, and no more")
  func chunkLine() throws {
    for (bytes, isRead) in [(Limits.httpLineBytes, true), (Limits.httpLineBytes + 1, false)] {
      let line = "0;" + String(repeating: "x", count: bytes - 2)
      let text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\(line)\r\n\r\n"
      #expect(isRefused(text) != isRead)
      var parser = HTTPResponseParser()
      var (isComplete, isBad) = (false, false)
      for byte in text.utf8 {
        parser.feed([byte])
        do throws(HTTPViolation) { isComplete = try parser.next() != nil } catch {
          isBad = true
          break
        }
      }
      #expect(isComplete == isRead && isBad != isRead)
    }
  }

  @Test("what the serialiser writes is what the parser reads")
  func roundTrip() throws {
    let sent = HTTPResponse(409, headers: ["x-a": "b"], body: [1, 2])
    let read = try #require(try parse(String(decoding: sent.bytes(closes: true), as: UTF8.self)))
    #expect(read.status == 409 && read.body == [1, 2] && read.headers["x-a"] == "b")
    #expect(read.headers["connection"] == "close")
  }

  @Test(
    "a malformed answer is refused",
    arguments: [
      "HTP/1.1 200 OK\r\n\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 20 OK\r\n\r\n",
      "HTTP/1.1 2000 OK\r\n\r\n", "HTTP/1.1 +20 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
      "SSH-2.0-OpenSSH_9.2\r\n\r\n", "HTTP/1.1 101 Switching\r\n\r\n",
      "HTTP/1.1 200 OK\ncontent-length: 1\n\na",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n100000000\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\na\r\n",
      "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11\r\n",
      "HTTP/1.1 200 OK\r\n\r\n12345678901234567",
    ])
  func refused(_ text: String) {
    #expect(isRefused(text))
  }

  @Test(
    "an end within an answer is refused",
    arguments: [
      "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n",
    ])
  func cutOff(_ text: String) {
    #expect(isRefused(text, ends: true))
  }

  @Test("the limits hold at themselves and refuse one past them")
  func limits() {
    func line(_ count: Int) -> String {
      "HTTP/1.1 200 \(String(repeating: "a", count: count - 13))\r\ncontent-length: 0\r\n\r\n"
    }
    #expect(!isRefused(line(Limits.httpLineBytes)))
    #expect(isRefused(line(Limits.httpLineBytes + 1)))
    func trailers(_ count: Int) -> String {
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
        + String(repeating: "a: b\r\n", count: count) + "\r\n"
    }
    #expect(!isRefused(trailers(Limits.httpHeaderCount)))
    #expect(isRefused(trailers(Limits.httpHeaderCount + 1)))
    #expect(!isRefused("HTTP/1.1 200 OK\r\n\r\n1234567890123456"))
  }
}
