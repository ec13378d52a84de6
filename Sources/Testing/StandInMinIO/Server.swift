// SPDX-License-Identifier: Apache-2.0
import Crypto
import Glibc
import HTTP
import Linux
import Model
import Sockets
import Systemd
import Threads

/// One start of the server, in the real one's order (docs/facts.md, "Start and the Key Manager" and
/// "Lines of a start").
struct Server {
  private let arguments: ServerArguments
  private let console: Console
  private var environment: ServerEnvironment
  private let behaviour: Behaviour

  private static let bucketMetadataMilliseconds = 100

  init(
    _ arguments: ServerArguments, _ environment: ServerEnvironment, _ console: Console,
    _ behaviour: Behaviour
  ) {
    self.arguments = arguments
    self.environment = environment
    self.console = console
    self.behaviour = behaviour
  }

  /// Blocks until the server serves; ends the process when it cannot.
  mutating func start() {
    do throws(ServerEnvironment.Problem) {
      try environment.loadConfigurationFile()
    } catch { console.fatal("Unable to read the config environment file: ", error.text) }
    let drives: [Drive]
    do throws(ServerArguments.Problem) {
      drives = try arguments.endpoints()
    } catch { console.fatal("Invalid command line arguments: ", error.text) }

    if behaviour.has("dump-environment") { Behaviour.dump(environment.all, console) }
    let client = keyManager()
    checkCredentials()
    if let status = behaviour.number("exit") { _exit(Int32(status.value)) }
    if let text = behaviour.text("fatal") { endFatally(text) }

    let hosts = drives.compactMap(\.host)
    let distributed = !hosts.isEmpty
    guard let own = drives.first(where: { $0.host.map(Self.isThisHost) ?? true }) else {
      console.fatal("Unable to prepare the list of endpoints: ", "no drive is on this host")
    }
    let peers = hosts.filter { $0 != own.host }.map(Peer.init)
    let configuration = SystemConfiguration(
      checksum: Self.checksum(), endpointCount: drives.count,
      commandLine: arguments.pools.joined(separator: " "),
      environment: environment.fingerprints { Digest.ofFields([$0]).hex })
    let health = Health(
      peers: peers, drives: drives.count, client: client, behaviour: behaviour, console: console)
    let requests = SignedRequests(environment, client: client, health: health, behaviour: behaviour)
    listen(health, requests, configuration, node: distributed ? own.host?.text : nil)

    do throws(Errno) {
      try Bootstrap(configuration: configuration, peers: peers, console: console).wait()
    } catch { console.fatal("Unable to start the server: ", "\(error)") }

    wait(
      "wait-drives",
      "Waiting for a minimum of \(drives.count / 2) drives to come online (elapsed 1s)")
    wait(
      "wait-quorum",
      "Waiting for quorum READ healthcheck to succeed retrying in 1s.. possible cause unhealthy sets"
    )
    // So do most starts of the real server: peers come up later.
    if behaviour.has("miss-drives") {
      for peer in peers {
        console.info(
          "Unable to use the drive https://\(peer.place.text)\(own.path): drive not found, will be retried"
        )
      }
    }
    let backend: Backend
    do throws(Errno) {
      backend = try Backend(drive: own.path)
      requests.begin(
        try StoredObjects(drive: own.path, client: client),
        try SharedRecords(
          drive: own.path, peers: peers, quorum: (health.readQuorum, health.writeQuorum)))
    } catch { console.fatal("Unable to initialize backend: ", "\(error)") }
    health.progress.update { $0.initialised = true }
    let began = Clock.now()
    let isSilent = behaviour.has("no-banner")
    if distributed, !isSilent {
      console.info("Waiting for all MinIO sub-systems to be initialize...")
    }
    if behaviour.has("broken-iam") { _ = cannotRead("insufficient permissions") }
    let online = readConfiguration(backend, client)
    health.progress.update { $0.identitiesOnline = online }
    // Loaded in the background: the cluster's health says so, in almost every start, for a moment.
    _ = try? Thread.start("bucket-metadata") {
      Clock.sleep(until: .inMilliseconds(Self.bucketMetadataMilliseconds))
      health.progress.update { $0.bucketsOnline = true }
    }
    let elapsed = "\(Clock.now().milliseconds(since: began))ms"
    if distributed, !isSilent {
      console.info("All MinIO sub-systems initialized successfully in \(elapsed)")
    }
    if !behaviour.has("no-ready") { Notify.ready(status: "serving") }
    if distributed && online && !isSilent {
      console.info("IAM load(startup) finished. (duration: \(elapsed))")
    }
    if !isSilent { banner(distributed, own.host?.host ?? "127.0.0.1") }
    behaviour.serve(console)
  }

  /// Says every half second what it waits for, as long as its behaviour wants.
  private func wait(_ name: String, _ text: String) {
    guard let wait = behaviour.number(name) else { return }
    let end = Instant.inMilliseconds(wait.value)
    while Clock.now() < end {
      console.info(text)
      Clock.sleep(until: min(end, .inMilliseconds(500)))
    }
  }

  /// A client of the Key Manager, after a first data key; nil without a KMS (docs/facts.md,
  /// "Start and the Key Manager").
  private func keyManager() -> KeyManagerClient? {
    let client: KeyManagerClient
    do throws(KMSSettings.Problem) {
      let settings = try KMSSettings(environment)
      guard case .keyManager(let hosts, let enclave, let keyName, let apiKey) = settings else {
        return nil
      }
      client = KeyManagerClient(
        hosts: hosts, enclave: enclave, keyName: keyName,
        transport: try KeyManagerTransport(
          apiKey: apiKey, authoritiesDirectory: "\(arguments.certificatesDirectory)/CAs"))
    } catch { console.fatal(error.introduction, error.text) }

    var failure: KeyManagerClient.Failure?
    do throws(KeyManagerClient.Failure) {
      _ = try client.generate(associatedData: "{}")
    } catch { failure = error }
    if failure?.isKeyNotFound == true {
      failure = nil
      do throws(KeyManagerClient.Failure) {
        try client.create()
      } catch { failure = error.isKeyExists ? nil : error }
    }
    if let failure, !failure.isPermission {
      console.fatal(
        "Failed to connect to KMS: ", "failed to generate data key with KMS key: \(failure.text)")
    }
    return client
  }

  /// Ends with a test's FATAL line; the text up to its first `: ` introduces it.
  private func endFatally(_ text: String) -> Never {
    guard let colon = text.firstRange(of: ": ") else { console.fatal("", text) }
    console.fatal(String(text[..<colon.upperBound]), String(text[colon.upperBound...]))
  }

  private func checkCredentials() {
    let user = environment.get("MINIO_ROOT_USER")
    let password = environment.get("MINIO_ROOT_PASSWORD")
    if user.isEmpty && password.isEmpty { return }
    if user.utf8.count < 3 || password.utf8.count < 8 {
      console.fatal(
        "Unable to validate credentials inherited from the shell environment: ",
        "Invalid credentials", cause: "secret key length should be between 8 and 40",
        hints: [
          "> Please provide correct credentials", "HINT:",
          "  MINIO_ROOT_USER length should be at least 3, and MINIO_ROOT_PASSWORD length at least 8 characters",
        ])
    }
  }

  private func listen(
    _ health: Health, _ requests: SignedRequests, _ configuration: SystemConfiguration,
    node: String?
  ) {
    let common = Array(configuration.text.utf8)
    // As MinIO's addCustomHeaders: in every answer, from the node's name among its endpoints.
    let identity = node.map { Digest.sha256(Array($0.utf8)).hex }
    do {
      let server = try WebServer(on: arguments.address) { request in
        if request.path == SystemConfiguration.path { return HTTPResponse(200, body: common) }
        if request.path == SharedRecords.path { return requests.answer(peer: request) }
        var response = health.answer(request) ?? requests.answer(request)
        response.headers.add("server", "MinIO")
        response.headers.add("x-amz-request-id", ServerError.requestID)
        if let identity { response.headers.add("x-amz-id-2", identity) }
        return response
      }
      try server.start()
    } catch let failure as SocketFailure {
      if case .system(let errno) = failure, errno.code == EADDRINUSE {
        console.fatal(
          "Unable to start the server: ", "Specified port is already in use",
          cause: "listen tcp :\(arguments.address.port): bind: address already in use",
          hints: ["> Please ensure no other program uses the same address/port"])
      }
      console.fatal("Unable to start the server: ", "\(failure)")
    } catch { console.fatal("Unable to start the server: ", "\(error)") }
  }

  /// Reads what is encrypted on the drive, and encrypts it for a new key. False, after the server's
  /// lines about it, if a part cannot be read (docs/facts.md, "What is bound to a key").
  private func readConfiguration(_ backend: Backend, _ client: KeyManagerClient?) -> Bool {
    let data = String(decoding: Backend.associatedData, as: UTF8.self)
    do {
      let sealed = try backend.sealed()
      guard let client else {
        if sealed.isEmpty { return true }
        return cannotRead("decryption failed: ciphertext is not authentic (*errors.errorString)")
      }
      for part in sealed {
        try client.decrypt(part.ciphertext, keyName: part.keyName, associatedData: data)
      }
      if !sealed.contains(where: { $0.keyName == client.keyName }) {
        let key = try client.generate(associatedData: data)
        try backend.append(.init(keyName: client.keyName, ciphertext: key.ciphertext))
      }
      return true
    } catch let failure as KeyManagerClient.Failure {
      return cannotRead("failed to decrypt ciphertext with KMS key: \(failure.text) (kms.Error)")
    } catch {
      return cannotRead("\(error)")
    }
  }

  private func cannotRead(_ text: String) -> Bool {
    console.error("config", "Unable to initialize config, some features may be missing: \(text)")
    console.error(
      "iam", "Unable to initialize IAM sub-system, some users may not be available: \(text)")
    return false
  }

  private func banner(_ distributed: Bool, _ host: String) {
    let dashes = String(repeating: "-", count: 27)
    let port = arguments.address.port
    let wording = behaviour.text("wording")
    let isOpenSource = wording == "open-source"
    if wording == "old" {
      console.startup("API: http://\(host):\(port)  http://127.0.0.1:\(port) ")
      console.startup("Status: 4 Online, 0 Offline. ")
      return
    }
    if distributed { console.startup(dashes) }
    for line in [
      isOpenSource ? "MinIO Object Storage Server" : "MinIO AIStor Server",
      "Copyright: 2015-2026 MinIO, Inc.",
      isOpenSource
        ? "License: GNU AGPLv3 - https://www.gnu.org/licenses/agpl-3.0.html"
        : "License: MinIO AIStor License",
      "Version: RELEASE.2026-01-01T00-00-00Z (stand-in)",
      "API: http://\(host):\(port)  http://127.0.0.1:\(port) ",
      "WebUI: http://\(host):\(port + 1)  http://127.0.0.1:\(port + 1) ", "",
      "Docs: https://docs.min.io",
    ] { console.startup(line) }
    if distributed { console.startup(dashes) }
  }

  /// Of a part of the running program that tells builds apart, without reading megabytes at each
  /// start.
  private static func checksum() -> String {
    let file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
    defer { close(file) }
    var facts = stat()
    fstat(file, &facts)
    var bytes = [UInt8](repeating: 0, count: 64 << 10)
    let count = pread(file, &bytes, bytes.count, 0)
    return Digest.sha256(Array("\(facts.st_size) ".utf8) + bytes.prefix(max(0, count))).hex
  }

  private static func isThisHost(_ place: HostPort) -> Bool {
    var name = [CChar](repeating: 0, count: 256)
    gethostname(&name, name.count - 1)
    let own = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return place.host == own || place.host.hasPrefix("\(own).") || place.host == "localhost"
      || place.host == "127.0.0.1"
  }
}
