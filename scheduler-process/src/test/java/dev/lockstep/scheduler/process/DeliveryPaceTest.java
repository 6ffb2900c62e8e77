// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.SampledToken;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class DeliveryPaceTest {
    private static final int TOKENS = 40;

    private final DeliveryPace pace = new DeliveryPace(Duration.ofMillis(20));
    private final Reader first = new Reader("first");
    private final Reader second = new Reader("second");
    private double millis = 1000;

    @Test
    void tokensOfFastStepsAreOneEventOfTheInterval() {
        begin();
        for (int step = 0; step < 11; step++) {
            step(5, first, second);
        }
        assertEquals(List.of(1, 4, 4), first.sizes());
        assertEquals(List.of(1, 3, 4), second.sizes(), "its first token came a step later");
    }

    @Test
    void slowStepsHaveAnEventEach() {
        begin();
        for (int step = 0; step < 5; step++) {
            step(12, first);
        }
        assertEquals(List.of(1, 1, 1, 1, 1, 1), first.sizes());
    }

    @Test
    void theFirstTokenAndTheEndAreSentAtOnceAndOthersStayHeld() {
        begin();
        step(5, first);
        step(1, first, second);
        step(1, first, second);
        assertEquals(List.of(1), first.sizes());
        assertEquals(List.of(1), second.sizes());
        second.stream.generated(0, second.count++, SampledToken.of(7));
        second.stream.finished(0, FinishReason.FINISH_REASON_STOP, 7);
        step(1, first, second);
        assertEquals(List.of(1), first.sizes());
        assertEquals(List.of(1, 2), second.sizes());
        assertEquals(true, second.reader.completed);
    }

    @Test
    void whatIsHeldIsSentAfterTheIntervalAlthoughNoStepEnds() {
        assertEquals(DeliveryPace.NEVER, pace.due());
        begin();
        double begun = millis;
        step(5, first);
        assertEquals(nanos(begun + 20), pace.due());
        pace.sendDue(nanos(begun + 19.9));
        assertEquals(List.of(1), first.sizes());
        pace.sendDue(nanos(begun + 20));
        assertEquals(List.of(1, 1), first.sizes());
        assertEquals(DeliveryPace.NEVER, pace.due());
    }

    @Test
    void aStepAfterALongOneWaitsForNoOther() {
        begin();
        step(250, first);
        step(5, first);
        assertEquals(List.of(1, 1), first.sizes());
        step(5, first);
        step(5, first);
        assertEquals(List.of(1, 1), first.sizes());
    }

    @Test
    void anIntervalOfZeroHoldsNothing() {
        var none = new DeliveryPace(Duration.ZERO);
        for (int step = 0; step < 3; step++) {
            first.stream.generated(0, step, SampledToken.of(step));
            none.stepped(Set.of(first.stream), nanos(1000));
            none.stepped(Set.of(), nanos(1000.001));
        }
        assertEquals(List.of(1, 1, 1), first.sizes());
        assertEquals(DeliveryPace.NEVER, none.due());
    }

    /// The step of the first token, after which steps take other times.
    private void begin() {
        step(1000, first);
    }

    private void step(double stepMillis, Reader... readers) {
        millis += stepMillis;
        var written = new LinkedHashSet<RequestStream>();
        for (Reader each : readers) {
            if (!each.stream.isComplete()) {
                each.stream.generated(0, each.count++, SampledToken.of(5));
            }
            written.add(each.stream);
        }
        pace.stepped(written, nanos(millis));
    }

    private static long nanos(double millis) {
        return (long) (millis * TimeUnit.MILLISECONDS.toNanos(1));
    }

    private static final class Reader {
        final FakeReader reader = new FakeReader();
        final RequestStream stream;
        int count;

        Reader(String id) {
            reader.ready = true;
            stream =
                    new RequestStream(
                            new GenerateRequest(
                                    id,
                                    new int[3],
                                    List.of(Choice.of(TOKENS)),
                                    List.of(),
                                    0,
                                    PromptOutputs.getDefaultInstance(),
                                    new GenerateRequest.Options("", 0, false, 0, "", 35, 0),
                                    1,
                                    Optional.empty()),
                            reader);
        }

        /// Returns the number of tokens of each event.
        List<Integer> sizes() {
            return reader.events.stream()
                    .map(GenerateEvent::getTokens)
                    .map(GenerateEvent.Tokens::getIdsCount)
                    .toList();
        }
    }
}
