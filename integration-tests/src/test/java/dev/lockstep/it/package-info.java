/// The whole cluster as its users meet it: real processes, real sockets, a real ZooKeeper.
///
/// Every test starts its processes in a [Sandbox] of its own and asks in the end whether anything
/// of it is left.
@NullMarked
package dev.lockstep.it;

import org.jspecify.annotations.NullMarked;
