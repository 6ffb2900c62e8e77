// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.process.Randomness;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class FixedClusterTest extends ClusterContract {

    private final EventThread events = new EventThread("test-events");
    private final FixedCluster origin = new FixedCluster(events, Randomness.seeded(1));

    @Override
    Cluster connect() {
        return origin.another(events);
    }

    @Override
    void loseSession(Cluster cluster) {
        ((FixedCluster) cluster).loseSession();
    }

    @AfterEach
    void stopEvents() {
        events.close();
    }

    @Test
    void aDirectExecutorCallsListenersOnTheCallersThread() {
        List<String> log = new ArrayList<>();
        var one = new FixedCluster(Runnable::run, Randomness.seeded(1));
        FixedCluster two = one.another(Runnable::run);
        two.membership().listen(seen -> log.add("sees " + seen.members().size()));
        one.register(worker("a", 0));
        Leadership leader = one.contend("a", "first", new LoggingListener("first", log));
        Leadership standby = two.contend("a", "second", new LoggingListener("second", log));
        assertEquals(OptionalLong.of(1), leader.nextEpoch(0));
        one.loseSession();
        assertEquals(OptionalLong.of(2), standby.nextEpoch(1));
        one.close();
        assertEquals(
                List.of(
                        "sees 0",
                        "sees 1",
                        "first elected",
                        "second elected",
                        "first deposed",
                        "sees 0"),
                log);
    }

    @Test
    void aClusterOfAListHasExactlyItsMembers() {
        List<Member> members = List.of(worker("a", 0), worker("a", 1));
        try (FixedCluster cluster = FixedCluster.of(members)) {
            assertEquals(members, cluster.membership().snapshot().members());
        }
    }

    private record LoggingListener(String name, List<String> log) implements Leadership.Listener {
        @Override
        public void elected() {
            log.add(name + " elected");
        }

        @Override
        public void deposed() {
            log.add(name + " deposed");
        }
    }
}
