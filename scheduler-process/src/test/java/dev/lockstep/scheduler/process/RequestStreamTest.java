// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.PromptOutputs;
import dev.lockstep.proto.v1.Token;
import dev.lockstep.proto.v1.Usage;
import dev.lockstep.scheduler.Choice;
import dev.lockstep.scheduler.Payload;
import dev.lockstep.scheduler.SampledToken;
import io.grpc.Status;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RequestStreamTest {
    private final FakeReader reader = new FakeReader();
    private final RequestStream stream =
            new RequestStream(
                    new GenerateRequest(
                            "r",
                            new int[3],
                            List.of(Choice.of(9), Choice.of(9).withIndex(1)),
                            List.of(),
                            0,
                            PromptOutputs.getDefaultInstance(),
                            new GenerateRequest.Options("", 0, false, 0, "", 35, 0),
                            2,
                            Optional.empty()),
                    reader);

    @Test
    void tokensForASlowReaderAreCombinedIntoOneEventPerChoice() {
        stream.generated(0, 0, SampledToken.of(5));
        stream.generated(1, 0, SampledToken.of(6));
        stream.generated(0, 1, SampledToken.of(7));
        assertEquals(List.of(), reader.events);
        reader.ready = true;
        stream.drain();
        assertEquals(2, reader.events.size());
        GenerateEvent.Tokens tokens = reader.events.getFirst().getTokens();
        assertEquals(0, tokens.getPosition());
        assertEquals(2, tokens.getIdsCount());
        stream.generated(0, 2, SampledToken.of(8));
        stream.drain();
        assertEquals(2, reader.events.getLast().getTokens().getPosition());
    }

    /// The message of id 0 with log-probability 0 has no bytes, and still has its place.
    @Test
    void everyTokenOfAnEventHasItsLogprobs() {
        for (int id = 0; id < 3; id++) {
            Payload logprobs = Payload.of(Token.newBuilder().setId(id).build().toByteArray());
            stream.generated(0, id, new SampledToken(id, Optional.of(logprobs)));
        }
        reader.ready = true;
        stream.drain();
        GenerateEvent.Tokens tokens = reader.events.getFirst().getTokens();
        assertEquals(List.of(0, 1, 2), tokens.getIdsList());
        assertEquals(3, tokens.getLogprobsCount());
        assertTrue(tokens.getLogprobs(0).isEmpty());
    }

    @Test
    void theFirstTokenOfAChoiceReportsWhatThePromptFoundInTheCache() {
        reader.ready = true;
        stream.began(1, 9);
        stream.generated(1, 0, SampledToken.of(5));
        stream.drain();
        stream.began(0, 4);
        stream.generated(0, 0, SampledToken.of(6));
        stream.drain();
        stream.generated(0, 1, SampledToken.of(7));
        stream.drain();
        Stream<Integer> reported =
                reader.events.stream().map(event -> event.getTokens().getCachedTokens());
        assertEquals(List.of(9, 4, 0), reported.toList());
        stream.finished(0, FinishReason.FINISH_REASON_STOP, 7);
        stream.finished(1, FinishReason.FINISH_REASON_LENGTH, -1);
        stream.drain();
        Usage usage = reader.events.getLast().getFinished().getUsage();
        assertEquals(
                4, usage.getCachedTokens(), "a prompt counts once: as the first choice found it");
    }

    /// Between two events the scheduler may be lost.
    @Test
    void theEndOfAChoiceIsInTheEventOfItsLastToken() {
        reader.ready = true;
        stream.generated(0, 0, SampledToken.of(5));
        stream.finished(0, FinishReason.FINISH_REASON_STOP, 5);
        stream.generated(1, 0, SampledToken.of(6));
        stream.drain();
        stream.finished(1, FinishReason.FINISH_REASON_LENGTH, -1);
        assertFalse(reader.completed);
        stream.drain();
        assertTrue(reader.completed);
        assertEquals(3, reader.events.size());
        GenerateEvent.Finished first = reader.events.getFirst().getTokens().getFinished();
        assertEquals(5, first.getStopTokenId());
        assertFalse(first.hasUsage());
        assertFalse(reader.events.get(1).getTokens().hasFinished());
        GenerateEvent.Finished last = reader.events.getLast().getFinished();
        assertEquals(2, last.getUsage().getCompletionTokens());
    }

    @Test
    void aRequestIsFailedWhenItsReaderLeavesTooMuchUnread() {
        for (int i = 0; i < RequestStream.MAX_UNREAD; i++) {
            assertTrue(stream.generated(0, i, SampledToken.of(1)));
        }
        assertFalse(stream.generated(0, RequestStream.MAX_UNREAD, SampledToken.of(1)));
        stream.fail(Status.CANCELLED);
        assertTrue(stream.hasEnded());
        reader.ready = true;
        stream.drain();
        assertEquals(List.of(), reader.events);
    }

    @Test
    void tokensAreSentBeforeAnError() {
        reader.ready = true;
        stream.generated(0, 0, SampledToken.of(5));
        stream.fail(Status.DEADLINE_EXCEEDED);
        assertEquals(List.of(5), reader.events.getFirst().getTokens().getIdsList());
        assertEquals(Status.Code.DEADLINE_EXCEEDED, Status.fromThrowable(reader.failure).getCode());
    }

    @Test
    void nothingIsSentToADisconnectedReader() {
        reader.ready = true;
        stream.abandon();
        stream.generated(0, 0, SampledToken.of(1));
        stream.finished(0, FinishReason.FINISH_REASON_STOP, 1);
        assertEquals(List.of(), reader.events);
    }
}
