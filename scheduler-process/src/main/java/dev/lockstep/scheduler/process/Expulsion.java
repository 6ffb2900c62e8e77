// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Member;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.WorkerMessage;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Tells processes whose results were wrong to end. It does so under an epoch of its own, so that
/// only the leader can, and nothing they still send counts.
final class Expulsion implements RankStream.Listener {
    private static final Logger LOG = LogManager.getLogger(Expulsion.class);

    private final CountDownLatch left;

    private Expulsion(int processes) {
        this.left = new CountDownLatch(processes);
    }

    /// Tells them, and waits until their streams have ended. A process that cannot be reached is
    /// told again later.
    ///
    /// @param reasons by incarnation
    static void tell(
            String group,
            long epoch,
            List<Member> leaving,
            Map<String, String> reasons,
            Dialer dialer,
            Duration timeout)
            throws InterruptedException {
        var expulsion = new Expulsion(leaving.size());
        List<RankStream> streams = new ArrayList<>();
        try {
            for (Member member : leaving) {
                String reason = String.valueOf(reasons.get(member.incarnation()));
                LOG.warn("{}, process {}, must end: {}", member.describe(), member.pid(), reason);
                try {
                    var stream = new RankStream(member.rank(), dialer.dial(member), expulsion);
                    streams.add(stream);
                    stream.open();
                    stream.send(join(group, epoch, member, reason));
                } catch (RuntimeException e) {
                    LOG.warn("{} cannot be reached", member.describe(), e);
                    expulsion.left.countDown();
                }
            }
            boolean all = expulsion.left.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
            LOG.info("epoch {} has ended {} processes, all: {}", epoch, streams.size(), all);
        } finally {
            streams.forEach(RankStream::cancel);
        }
    }

    private static SchedulerMessage join(String group, long epoch, Member member, String reason) {
        return SchedulerMessage.newBuilder()
                .setJoin(
                        Join.newBuilder()
                                .setGroup(group)
                                .setEpoch(epoch)
                                .setRank(member.rank())
                                .setSize(member.size())
                                .setExpelled(reason))
                .build();
    }

    @Override
    public void received(int rank, WorkerMessage message) {
        LOG.debug("rank {} still sends {}", rank, message.getMessageCase());
    }

    @Override
    public void ended(int rank, Status status, Metadata trailers) {
        LOG.info("rank {} has left: {}", rank, status);
        left.countDown();
    }
}
