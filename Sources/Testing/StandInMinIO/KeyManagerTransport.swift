import KeyManager
import LinuxIO
struct KeyManagerTransport: Sendable {
  struct Problem: Error { var text: String }
  init(apiKey: APIKey, authoritiesDirectory: String) throws(KMSSettings.Problem) {}
  func post(to host: String, path: String, body: [UInt8]) throws(Problem) -> (status: Int, body: [UInt8]) {
    throw Problem(text: "no")
  }
}
enum Notify { static func ready(status: String) {}; static func stopping() {} }
