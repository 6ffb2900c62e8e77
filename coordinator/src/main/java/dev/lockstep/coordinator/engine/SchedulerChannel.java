// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberChannel;
import io.grpc.ManagedChannel;
import io.netty.channel.EventLoopGroup;
import java.util.concurrent.TimeUnit;

/// Opens connections to schedulers.
final class SchedulerChannel {
    /// Room for a status with every rank of a group, for thousands of tokens with their
    /// alternatives, and for a snapshot of a million blocks of 16 bytes each.
    private static final int MAX_MESSAGE_BYTES = 16 << 20;

    private SchedulerChannel() {}

    static ManagedChannel open(Member member, ClusterAccess access, EventLoopGroup eventLoop) {
        return MemberChannel.to(member, access, eventLoop)
                .idleTimeout(1, TimeUnit.DAYS)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .build();
    }
}
