// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.UnknownFieldSet;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.ResponseRecord;
import dev.lockstep.proto.v1.ResumeRequest;
import dev.lockstep.proto.v1.TokenIds;
import dev.lockstep.proto.v1.TokenizeRequest;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of the memory that a message over gRPC may need.
final class RpcLimitsTest {
    private static TestCoordinator tiny;
    private static RpcClient client;

    @BeforeAll
    static void start() throws Exception {
        tiny = TestCoordinator.start();
        client = new RpcClient(tiny);
    }

    @AfterAll
    static void stop() {
        client.close();
        tiny.close();
    }

    /// Some megabytes of these values would fill the heap.
    @Test
    void aMessageThatNeedsTooMuchMemoryIsRefused() throws Exception {
        client.respondWith("yes");
        int many = TestCoordinator.MAX_BODY / 2 - 100;
        ChatMessages.Builder empty = ChatMessages.newBuilder();
        InferenceRequest.Builder biased = RpcClient.request().setPrompt("a");
        InferenceRequest.Builder stopped = RpcClient.request().setPrompt("a");
        UnknownFieldSet.Field.Builder unknown = UnknownFieldSet.Field.newBuilder();
        for (int i = 0; i < many; i++) {
            empty.addMessages(ChatMessage.getDefaultInstance());
            biased.addLogitBias(LogitBias.getDefaultInstance());
            if (i % 2 == 0) {
                stopped.addStop("");
            }
            unknown.addVarint(0);
        }
        byte[] ids = new byte[2 * many];
        InferenceRequest strange =
                RpcClient.request()
                        .setPrompt("a")
                        .setUnknownFields(
                                UnknownFieldSet.newBuilder().addField(15, unknown.build()).build())
                        .build();
        for (InferenceRequest heavy :
                List.of(
                        RpcClient.request().setChat(empty).build(),
                        biased.build(),
                        stopped.build(),
                        RpcClient.request().setPromptIds(TokenIds.parseFrom(packed(ids))).build(),
                        strange)) {
            StatusRuntimeException refused =
                    assertThrows(
                            StatusRuntimeException.class, () -> client.generate(heavy.toBuilder()));
            assertEquals(Status.Code.RESOURCE_EXHAUSTED, refused.getStatus().getCode());
            assertTrue(
                    String.valueOf(refused.getStatus().getDescription()).contains("so many values"),
                    refused::toString);
        }
        // A checked message releases its memory: together these exceed the budget.
        InferenceRequest large =
                RpcClient.request()
                        .setPromptIds(TokenIds.parseFrom(packed(new byte[many / 4])))
                        .build();
        for (int i = 0; i < 8; i++) {
            StatusRuntimeException tooLong =
                    assertThrows(
                            StatusRuntimeException.class, () -> client.generate(large.toBuilder()));
            assertEquals(Status.Code.INVALID_ARGUMENT, tooLong.getStatus().getCode());
        }
        assertEquals("yes", RpcClient.text(client.generate(RpcClient.request().setPrompt("a")), 0));
    }

    /// Another coordinator may have accepted larger messages.
    @Test
    void aMessageThatGoesOnAndNeedsTooMuchMemoryIsRefused() throws Exception {
        client.respondWith("yes");
        List<InferenceEvent> events = client.generate(RpcClient.request().setPrompt("a"));
        GenerateRequest kept = tiny.scheduler.nextCall().request();
        ChatMessages.Builder empty = ChatMessages.newBuilder();
        for (int i = 0; i < TestCoordinator.MAX_BODY; i++) {
            empty.addMessages(ChatMessage.getDefaultInstance());
        }
        ResponseRecord record = ResponseRecord.parseFrom(kept.getClient().getRecord());
        ByteString heavy = RpcClient.request().setChat(empty).build().toByteString();
        GenerateRequest.Builder other = kept.toBuilder();
        other.getClientBuilder()
                .setRecord(record.toBuilder().setBody(heavy).build().toByteString());
        tiny.scheduler.keep(other.build());
        StatusRuntimeException refused =
                assertThrows(StatusRuntimeException.class, () -> resume(events));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, refused.getStatus().getCode());
        assertTrue(
                String.valueOf(refused.getStatus().getDescription()).contains("so many values"),
                refused::toString);
        tiny.scheduler.keep(kept);
        assertEquals("yes", RpcClient.text(resume(events), 0));
    }

    private static List<InferenceEvent> resume(List<InferenceEvent> events) {
        List<InferenceEvent> again = new ArrayList<>();
        client.stub()
                .withDeadlineAfter(Eventually.TIMEOUT)
                .resume(ResumeRequest.newBuilder().setAfter(events.getFirst().getId()).build())
                .forEachRemaining(again::add);
        return again;
    }

    /// Returns the field `ids` of [TokenIds], one byte per id.
    private static byte[] packed(byte[] ids) throws IOException {
        var bytes = new ByteArrayOutputStream();
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        out.writeByteArray(1, ids);
        out.flush();
        return bytes.toByteArray();
    }

    @Test
    void aCompressedMessageIsLimitedByItsDecodedSize() {
        String bomb = " ".repeat(10 * TestCoordinator.MAX_BODY);
        StatusRuntimeException refused =
                assertThrows(
                        StatusRuntimeException.class,
                        () ->
                                client.stub()
                                        .withCompression("gzip")
                                        .withDeadlineAfter(Eventually.TIMEOUT)
                                        .tokenize(
                                                TokenizeRequest.newBuilder()
                                                        .setModel("tiny")
                                                        .setPrompt(bomb)
                                                        .build()));
        assertEquals(Status.Code.RESOURCE_EXHAUSTED, refused.getStatus().getCode());
    }
}
