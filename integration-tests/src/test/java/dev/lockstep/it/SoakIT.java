// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// An hour of mixed load with a random fault every two minutes: every stream gets the answer of the
/// undisturbed run, and at the end the processes hold what they held at the beginning.
///
/// `-Dlockstep.soak.minutes`, `-Dlockstep.soak.seconds` between faults and `-Dlockstep.soak.seed`
/// replace the values.
@Isolated("its load uses all cores")
@Timeout(value = 3, unit = TimeUnit.HOURS)
@ExtendWith(LogsOnFailure.class)
@EnabledIfSystemProperty(
        named = "lockstep.long",
        matches = "true",
        disabledReason = "takes an hour")
final class SoakIT {
    private static final Duration LENGTH =
            Duration.ofMinutes(Long.getLong("lockstep.soak.minutes", 60));
    private static final Duration BETWEEN =
            Duration.ofSeconds(Long.getLong("lockstep.soak.seconds", 120));
    private static final long SEED = Long.getLong("lockstep.soak.seed", System.nanoTime() & 0xffff);

    private static final int TOKENS = 200;
    private static final long MAX_GROWTH_MEBIBYTES = 160;

    /// What a client may get besides an answer while a group is formed again.
    private static final Set<String> ALLOWED = Set.of("ok", "not_ready");

    private static final List<String> ROLES = List.of("worker", "scheduler", "coordinator");

    /// A signal to one process of each role, or to all.
    private enum Fault {
        KILL_WORKER("KILL", false, "worker"),
        KILL_WORKERS("KILL", true, "worker"),
        KILL_SCHEDULER("KILL", false, "scheduler"),
        KILL_SCHEDULER_AND_WORKER("KILL", false, "scheduler,worker"),
        STOP_WORKER("STOP", false, "worker"),
        STOP_WORKERS("STOP", true, "worker"),
        STOP_SCHEDULER("STOP", false, "scheduler");

        private final String signal;
        private final boolean all;
        private final String roles;

        /// @param roles separated by commas
        Fault(String signal, boolean all, String roles) {
            this.signal = signal;
            this.all = all;
            this.roles = roles;
        }

        void strike(Sandbox sandbox) {
            for (String role : roles.split(",", -1)) {
                List<Long> targets = sandbox.processIdsOf(role);
                for (long target : all ? targets : targets.subList(0, 1)) {
                    PosixSignals.send(signal, Long.toString(target));
                }
            }
        }
    }

    @Test
    void everyAnswerIsThatOfTheUndisturbedRunAndNothingIsLeft() throws Exception {
        System.out.println("soak: seed " + SEED);
        var random = new Random(SEED);
        Sandbox sandbox = Sandbox.plain();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--failpoints=worker.before-step=sleep:10ms")) {
            Api api = cluster.api();
            StreamMix mix = StreamMix.undisturbed(api, TOKENS);
            ObjectNode small = CompletionBodies.greedy(List.of(9, 8, 7), 5);
            // The first loss of a group opens and loads what every later one uses.
            List<StreamMix.Running> first = mix.begin(api);
            Fault.KILL_WORKER.strike(sandbox);
            mix.requireUndisturbed(first);
            Baseline baseline = Baseline.of(cluster);
            long before = baseline.endedRequests();
            Map<String, Long> resident = resident(sandbox);
            Map<Fault, Integer> faults = new TreeMap<>();
            int answers = 0;
            var cancelled = new AtomicInteger();
            long end = System.nanoTime() + LENGTH.toNanos();
            try (var load = new BackgroundLoad(api, small, 3);
                    var leaving = new LeavingClients(api, TOKENS, SEED, cancelled)) {
                while (System.nanoTime() < end) {
                    long next = System.nanoTime() + BETWEEN.toNanos();
                    Fault fault = Fault.values()[random.nextInt(Fault.values().length)];
                    List<StreamMix.Running> streams = mix.begin(api);
                    fault.strike(sandbox);
                    faults.merge(fault, 1, Integer::sum);
                    mix.requireUndisturbed(streams);
                    answers += mix.size();
                    while (System.nanoTime() < next) {
                        mix.requireUndisturbed(mix.begin(api));
                        answers += mix.size();
                    }
                    assertTrue(
                            ALLOWED.containsAll(load.outcomes().keySet()),
                            () -> fault + ": " + load.outcomes());
                }
                assertEquals(Map.of(), leaving.unexpected());
                System.out.println(
                        "soak: %s, %d answers as undisturbed, %s, %d left"
                                .formatted(faults, answers, load.outcomes(), cancelled.get()));
            }
            baseline.awaitRestored();
            assertTrue(baseline.endedRequests() > before);
            Map<String, Long> now = resident(sandbox);
            System.out.println("soak: resident MiB " + resident + ", then " + now);
            for (String role : ROLES) {
                long growth = now.getOrDefault(role, 0L) - resident.getOrDefault(role, 0L);
                assertTrue(growth <= MAX_GROWTH_MEBIBYTES, role + " grew by " + growth + " MiB");
            }
        }
    }

    private static Map<String, Long> resident(Sandbox sandbox) {
        Map<String, Long> all = new TreeMap<>();
        ROLES.forEach(role -> all.put(role, sandbox.residentMebibytes(role)));
        return all;
    }
}
