// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A request that ends its workers. It has a cluster of its own: each worker that ends again soon
/// waits longer for its next start.
@ExtendWith(LogsOnFailure.class)
final class PoisonedRequestIT {
    /// Of each stream: more than a second of steps.
    private static final int TOKENS = 150;

    /// The first of its tokens ends a worker.
    private static final JsonNode POISON = CompletionBodies.greedy(List.of(0, 8, 7), 5);

    @Test
    void aRequestThatEndsItsWorkersIsFoundAndItsNeighboursFinish() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--failpoints=worker.before-step=sleep:10ms,worker.poison=exit")) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            Baseline baseline = Baseline.of(cluster);
            List<StreamMix.Running> streams = mix.begin(cluster.api());
            Api.Response poisoned = cluster.api().post(CompletionBodies.COMPLETIONS, POISON);
            assertEquals("poisoned_request", poisoned.errorCode(), () -> "" + poisoned.body());
            assertEquals(500, poisoned.status());
            mix.requireUndisturbed(streams);
            BoundedWait.await("it counts", () -> cluster.group().getPoisoned() == 1);
            baseline.awaitRestored();
        }
    }
}
