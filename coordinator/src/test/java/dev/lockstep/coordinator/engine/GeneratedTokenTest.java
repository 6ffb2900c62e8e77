// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.Token;
import java.util.List;
import org.junit.jupiter.api.Test;

class GeneratedTokenTest {
    private static ByteString token(int id, float logprob) {
        return Token.newBuilder().setId(id).setLogprob(logprob).build().toByteString();
    }

    @Test
    void aTokenIsReadFromItsOwnLogprobs() throws InvalidProtocolBufferException {
        GenerateEvent.Tokens event =
                GenerateEvent.Tokens.newBuilder()
                        .addAllIds(List.of(0, 5))
                        .addLogprobs(token(0, 0))
                        .addLogprobs(token(5, -1))
                        .build();
        assertEquals(
                List.of(new GeneratedToken(0, 0, List.of()), new GeneratedToken(5, -1, List.of())),
                GeneratedToken.fromProto(event));
    }

    @Test
    void logprobsOfSomeTokensOnlyAreRefused() {
        GenerateEvent.Tokens event =
                GenerateEvent.Tokens.newBuilder()
                        .addAllIds(List.of(0, 5))
                        .addLogprobs(token(5, -1))
                        .build();
        assertThrows(InvalidProtocolBufferException.class, () -> GeneratedToken.fromProto(event));
    }
}
