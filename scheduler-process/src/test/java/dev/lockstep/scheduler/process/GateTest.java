// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class GateTest {
    private final Gate gate = new Gate(new WaitingLimits(8, 100));
    private final FakeReader reader = new FakeReader();

    private RequestStream request(int prompt) {
        return new RequestStream(
                GenerateRequest.fromProto(Rig.request("r", prompt, 1, 4).build()), reader);
    }

    private static Gate.Queue queue(int sequences, long tokens) {
        return new Gate.Queue(sequences, tokens, Duration.ofSeconds(3));
    }

    @Test
    void aFullQueueIsRefusedWithTheNumbersAndATimeToTryAgain() {
        gate.update(queue(8, 20));
        RequestStream stream = request(3);
        assertTrue(gate.tryRefuse(stream));
        assertTrue(stream.hasEnded());
        Throwable failure = requireNonNull(reader.failure);
        Status status = Status.fromThrowable(failure);
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, status.getCode());
        assertEquals("8 sequences wait, the limit is 8", status.getDescription());
        Metadata trailers = Status.trailersFromThrowable(failure);
        assertEquals("3000", trailers == null ? "" : trailers.get(Requests.RETRY_AFTER_MS));
        assertEquals(1, gate.refused());
    }

    @Test
    void tokensCountToo() {
        gate.update(queue(2, 90));
        assertFalse(gate.tryRefuse(request(10)));
        assertTrue(gate.tryRefuse(request(11)));
    }

    @Test
    void whileNoSequenceWaitsEveryRequestPasses() {
        gate.update(Gate.Queue.OPEN);
        assertFalse(gate.tryRefuse(request(500)));
        assertEquals(0, gate.refused());
    }
}
