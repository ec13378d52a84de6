// SPDX-License-Identifier: Apache-2.0
import Linux
import Model
import Sockets

extension DaemonConfiguration {
  /// Where the agent serves: on the socket that systemd holds for it (keyturnd.socket), or on one of
  /// its own.
  ///
  /// A port that is in use is not a mistake of the configuration: it may become free, and systemd
  /// starts the agent again until then. A socket on another port than the inventory's is a mistake.
  func listener(port wanted: UInt16?) throws(Refusal) -> Listener {
    let port = listen?.port ?? wanted ?? Inventory.defaultAgentPort
    let handed: [Listener]
    do throws(Errno) { handed = try HandedSockets.take(self.handed) } catch {
      throw Refusal(
        .configuration,
        "\(error); keyturnd.socket must hold one TCP socket: ListenStream=\(port)")
    }
    if let socket = handed.first {
      guard handed.count == 1 else {
        throw Refusal(
          .configuration,
          "keyturnd.socket hands over \(handed.count) sockets, an agent serves one: leave one ListenStream= in it"
        )
      }
      guard socket.address.port == port else {
        throw Refusal(
          .configuration,
          "keyturnd.socket listens on port \(socket.address.port), and \(listen == nil ? inventoryPath : "--listen") says \(port): change ListenStream= by `systemctl edit keyturnd.socket`, or the inventory on every host"
        )
      }
      return socket
    }
    let places =
      listen.map { [$0] } ?? [
        HostPort(host: "::", port: port), HostPort(host: "0.0.0.0", port: port),
      ]
    var failure = ""
    for place in places {
      do throws(SocketFailure) { return try Listener.bind(place) } catch { failure = "\(error)" }
    }
    throw Refusal(
      .busy,
      "\(failure); another program is on that port (`ss -ltnp 'sport = :\(port)'`): systemd starts keyturnd again until it is free"
    )
  }
}
