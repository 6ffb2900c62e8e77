package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Member;
import io.grpc.ManagedChannel;

/// Opens channels to members; the network as an interface, so that tests need none.
interface Dialer {
    /// A channel that the caller shuts down. Opening it waits for nothing.
    ManagedChannel dial(Member member);
}
