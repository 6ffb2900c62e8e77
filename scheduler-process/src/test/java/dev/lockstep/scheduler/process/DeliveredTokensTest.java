// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.SampledToken;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class DeliveredTokensTest {
    /// A reader that knows the tokens of the other scheduler needs those of what came after them.
    @Test
    void logprobsOfTokensAfterAMoveAreGivenAgain() {
        var delivered = new DeliveredTokens(List.of(5, 6), true);
        delivered.add(token(7));
        delivered.add(token(8));
        List<GenerateEvent.Tokens> events = events(delivered);
        assertEquals(List.of(5, 6), events.get(0).getIdsList());
        assertEquals(0, events.get(0).getLogprobsCount());
        assertEquals(2, events.get(1).getPosition());
        assertEquals(List.of(7, 8), events.get(1).getIdsList());
        assertEquals(2, events.get(1).getLogprobsCount());
    }

    @Test
    void tokensWithoutLogprobsAreOneEvent() {
        var delivered = new DeliveredTokens(List.of(5, 6), false);
        delivered.add(SampledToken.of(7));
        List<GenerateEvent.Tokens> events = events(delivered);
        assertEquals(1, events.size());
        assertEquals(List.of(5, 6, 7), events.get(0).getIdsList());
        assertEquals(0, events.get(0).getLogprobsCount());
    }

    private static List<GenerateEvent.Tokens> events(DeliveredTokens delivered) {
        return delivered.events(GenerateEvent.Tokens.getDefaultInstance(), 0).stream()
                .map(GenerateEvent::getTokens)
                .toList();
    }

    private static SampledToken token(int id) {
        return new SampledToken(id, Optional.of(new Payload(new byte[] {(byte) id})));
    }
}
