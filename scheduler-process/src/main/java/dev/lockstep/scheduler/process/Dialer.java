// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Member;
import io.grpc.ManagedChannel;

/// Opens channels to members; an interface, so that tests need no network.
interface Dialer {
    /// Returns a channel that the caller shuts down. Does not block until it is connected.
    ManagedChannel dial(Member member);
}
