// SPDX-License-Identifier: Apache-2.0
internal import Linux
internal import Model
internal import Rollout
internal import Threads

/// What every room of the agent has at hand: the node, the inventory, the host, the durable records, the other
/// agents, and threads.
struct Site: Sendable {
  let node: String
  let version: AgentVersion
  let inventories: InventoryKeeper
  let ports: Ports
  let records: Records
  let peers: Peers
  let programs: Programs
  let refusals = RefusalCounts()
  private let reserve = ThreadReserve()

  init(node: String, inventory: Inventory, version: AgentVersion, ports: Ports) {
    self.node = node
    self.version = version
    self.ports = ports
    records = Records(port: ports.records)
    inventories = InventoryKeeper(of: node, file: inventory, records)
    programs = Programs(ports.process)
    peers = Peers(ports, inventories)
  }

  /// The one that counts now.
  var inventory: Inventory { inventories.current }

  /// This agent, as a node's certificate says who it is.
  var principal: Principal { Principal(cluster: inventory.cluster, role: .node, name: node) }

  /// Priority as in syslog.
  func log(_ priority: LogPriority, _ message: String) { ports.log(priority, message) }

  /// Does `body`; a failure is only logged, with the priority.
  func attempt(_ priority: LogPriority, _ body: () throws(Refusal) -> Void) {
    do throws(Refusal) { try body() } catch { log(priority, error.message) }
  }

  func startThread(
    _ name: String, _ body: @escaping @Sendable () -> Void
  ) throws(Refusal) {
    do throws(Errno) { try ports.startThread(name, body) } catch {
      throw Refusal(.failed, "\(node): \(error)")
    }
  }

  /// What a rollout hangs on: runs `body` on a thread of its own, or, if the host gives none now, on the agent's
  /// reserve, so that nothing that was decided is left undone. Does not block.
  ///
  /// - Parameter isLong: it may take long, or can do nothing without threads. Then it does not get the reserve: it
  ///   waits for a thread of its own.
  func carryOn(_ name: String, isLong: Bool = false, _ body: @escaping @Sendable () -> Void) {
    do throws(Refusal) { try startThread(name, body) } catch {
      log(.error, "\(error.message); it waits for the agent's reserve")
      reserve.post(ThreadReserve.Work(name, isLong: isLong, body))
    }
  }

  /// Starts the reserve: it runs, one after the other, what no thread could be started for, each on a thread of its
  /// own if the host gives one by then.
  func keepReserve() {
    do throws(Errno) {
      try Thread.start("reserve") { [reserve, ports] in
        while let work = reserve.take() {
          do throws(Errno) { try ports.startThread(work.name, work.body) } catch {
            if work.isLong { reserve.postpone(work) } else { work.body() }
          }
        }
      }
    } catch { log(.error, "\(node): \(error)") }
  }

  /// Lets the reserve's thread end.
  func closeReserve() { reserve.close() }
}
