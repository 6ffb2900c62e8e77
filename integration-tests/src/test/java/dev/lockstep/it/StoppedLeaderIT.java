// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.proto.v1.GroupStatus;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A leader that stands still, and that no launcher kills, is replaced when its session ends; when
/// it wakes up it leads no more.
@Order(3)
@ExtendWith(LogsOnFailure.class)
final class StoppedLeaderIT {
    private static final int RANKS = 2;
    private static final int TOKENS = 150;

    @Test
    void aLeaderThatWakesUpDoesNotDisturbItsSuccessor() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        int port = ReservedPorts.next();
        Path model = Models.tiny(sandbox, 8);
        var processes = new SeparateProcesses(sandbox, ReservedPorts.next(), "stopped");
        try (sandbox;
                var api = new Api(port);
                var admin = new Admin(port)) {
            processes.zooKeeper("zookeeper");
            processes.coordinator("coordinator", model, port);
            LockstepProcess leader = processes.scheduler("leader", sandbox.group(), RANKS);
            for (int rank = 0; rank < RANKS; rank++) {
                processes.worker(
                        "worker-" + rank,
                        model,
                        sandbox.group(),
                        rank,
                        RANKS,
                        "--failpoints=worker.before-step=sleep:10ms");
            }
            BoundedWait.await("the coordinator is ready", api::isReady);
            // One folder is for one scheduler of a group.
            Path another = Files.createDirectory(sandbox.folder().resolve("s"));
            processes.scheduler("standby", sandbox.group(), RANKS, "--run-folder=" + another);
            BoundedWait.await(
                    "both schedulers are known",
                    () ->
                            admin.status().getMembersList().stream()
                                            .filter(each -> each.getRole().equals("scheduler"))
                                            .count()
                                    == 2);
            StreamMix mix = StreamMix.undisturbed(api, TOKENS);
            long epoch = ready(admin).getEpoch();
            List<StreamMix.Running> streams = mix.begin(api);
            leader.signal("STOP");
            List<Integer> migrations = mix.requireUndisturbed(streams);
            assertTrue(migrations.contains(1), () -> "a stream went on: " + migrations);
            GroupStatus successor = ready(admin);
            assertTrue(successor.getEpoch() > epoch);
            List<StreamMix.Running> later = mix.begin(api);
            leader.signal("CONT");
            Path log = sandbox.folder().resolve("scheduler-" + sandbox.group() + ".log");
            BoundedWait.await(
                    "the old leader knows that it does not lead",
                    () -> Files.readString(log).contains("another scheduler leads group"));
            assertEquals(
                    0L,
                    mix.requireUndisturbed(later).stream().filter(moves -> moves > 0).count(),
                    "no stream noticed");
            assertEquals(successor.getEpoch(), ready(admin).getEpoch());
        }
    }

    private static GroupStatus ready(Admin admin) {
        return admin.status().getGroupsList().stream()
                .filter(GroupStatus::getReady)
                .findFirst()
                .orElseThrow();
    }
}
