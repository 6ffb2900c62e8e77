// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.SamplingParams;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What the files next to a model's weights change for requests.
final class ModelFilesTest {
    private static final String RECOMMENDED =
            "{\"temperature\":0.5,\"top_k\":20,\"top_p\":0.75,\"min_p\":0.125,\"repetition_penalty\":1.25}";

    @TempDir private Path folder;

    private static void recommend(Path folder) throws IOException {
        Files.writeString(folder.resolve("generation_config.json"), RECOMMENDED);
    }

    private static void breakTemplate(Path folder) throws IOException {
        Files.writeString(folder.resolve("chat_template.jinja"), "{% for %}");
    }

    private static void answer(TestCoordinator server) {
        server.scheduler.behave(
                call -> {
                    call.tokens(0, server.ids("Yes."));
                    call.finishByLength(0);
                });
    }

    @Test
    void theModelsSamplingValuesAreTheDefaultsOfRequests() throws Exception {
        ServedModel model =
                TestCoordinator.tinyModel(ModelFilesTest::recommend, TextSettings.OF_MODEL);
        try (TestCoordinator server = TestCoordinator.start(model)) {
            answer(server);
            server.chat("\"max_tokens\":4");
            assertRecommended(server.scheduler.nextCall().sampling());
            server.chat(
                    "\"temperature\":1,\"top_k\":0,\"top_p\":1,\"min_p\":0,\"repetition_penalty\":1");
            SamplingParams own = server.scheduler.nextCall().sampling();
            assertEquals(1, own.getTemperature());
            assertEquals(0, own.getTopK());
            assertEquals(1, own.getTopP());
            assertEquals(0, own.getMinP());
            assertEquals(1, own.getRepetitionPenalty());
            rpc(server, InferenceRequest.newBuilder().setModel("tiny").setPrompt("a").build());
            assertRecommended(server.scheduler.nextCall().sampling());
            rpc(
                    server,
                    InferenceRequest.newBuilder()
                            .setModel("tiny")
                            .setPrompt("a")
                            .setTemperature(0)
                            .build());
            assertEquals(0, server.scheduler.nextCall().sampling().getTemperature());
        }
    }

    private static void assertRecommended(SamplingParams sampling) {
        assertEquals(0.5f, sampling.getTemperature());
        assertEquals(20, sampling.getTopK());
        assertEquals(0.75f, sampling.getTopP());
        assertEquals(0.125f, sampling.getMinP());
        assertEquals(1.25f, sampling.getRepetitionPenalty());
    }

    private static void rpc(TestCoordinator server, InferenceRequest request) {
        ManagedChannel channel =
                NettyChannelBuilder.forAddress("127.0.0.1", server.coordinator.port())
                        .usePlaintext()
                        .build();
        try {
            InferenceGrpc.newBlockingStub(channel).generate(request).forEachRemaining(event -> {});
        } finally {
            channel.shutdownNow();
        }
    }

    @Test
    void theSettingSwitchesTheSamplingValuesOff() throws Exception {
        ServedModel model =
                TestCoordinator.tinyModel(
                        ModelFilesTest::recommend,
                        new TextSettings(
                                Optional.empty(),
                                false,
                                Optional.empty(),
                                Optional.empty(),
                                ReasoningPlace.SEPARATE));
        assertEquals(GenerationDefaults.NONE, model.defaults());
    }

    @Test
    void aModelWithABrokenTemplateServesCompletions() throws Exception {
        ServedModel model =
                TestCoordinator.tinyModel(ModelFilesTest::breakTemplate, TextSettings.OF_MODEL);
        try (TestCoordinator server = TestCoordinator.start(model)) {
            answer(server);
            HttpResponse<String> completion =
                    server.post("/v1/completions", "{\"model\":\"tiny\",\"prompt\":\"a\"}");
            assertEquals(200, completion.statusCode(), completion.body());
            HttpResponse<String> chat =
                    server.post("/v1/chat/completions", TestCoordinator.chatBody(""));
            assertEquals(400, chat.statusCode(), chat.body());
            JsonNode error = TestCoordinator.json(chat.body()).get("error");
            assertEquals("broken_chat_template", error.get("code").asText());
            assertTrue(
                    error.get("message").asText().contains("chat_template.jinja: template line 1"),
                    error.toString());
        }
    }

    @Test
    void aTemplateOfTheSettingsReplacesTheModels() throws Exception {
        Path own = folder.resolve("own.jinja");
        Files.writeString(own, "{{ bos_token }}:{{ messages[0].content }}{{ eos_token }}");
        ServedModel model =
                TestCoordinator.tinyModel(
                        ModelFilesTest::breakTemplate,
                        new TextSettings(
                                Optional.of(own),
                                true,
                                Optional.empty(),
                                Optional.empty(),
                                ReasoningPlace.SEPARATE));
        try (TestCoordinator server = TestCoordinator.start(model)) {
            HttpResponse<String> rendered =
                    server.post("/apply-template", TestCoordinator.chatBody(""));
            assertEquals(200, rendered.statusCode(), rendered.body());
            String prompt = TestCoordinator.json(rendered.body()).get("prompt").asText();
            assertTrue(prompt.matches("(?s)<\\|endoftext\\|>:.+<\\|im_end\\|>"), prompt);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "OFF | `` | Yes.",
                "SEPARATE | Hm | Yes.",
                "INLINE | `` | [think]Hm[/think]Yes."
            })
    void theSettingsSayWhereReasoningGoesAndHowItIsWritten(
            ReasoningPlace place, String reasoning, String content) throws Exception {
        Path description = folder.resolve("own.json");
        Files.writeString(
                description,
                "{\"reasoning\": {\"opening\": \"[think]\", \"closing\": \"[/think]\"}}");
        ServedModel model =
                TestCoordinator.tinyModel(
                        _ -> {
                            // as it is
                        },
                        new TextSettings(
                                Optional.empty(),
                                true,
                                Optional.of(description),
                                Optional.empty(),
                                place));
        try (TestCoordinator server = TestCoordinator.start(model)) {
            server.scheduler.behave(
                    call -> {
                        call.oneByOne(0, server.ids("[think]Hm[/think]Yes."));
                        call.finishByLength(0);
                    });
            JsonNode message = server.chat("\"n\":1").at("/choices/0/message");
            assertEquals(reasoning, message.path("reasoning_content").asText());
            assertEquals(content, message.get("content").asText());
        }
    }
}
