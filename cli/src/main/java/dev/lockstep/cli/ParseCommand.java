// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.coordinator.TextSettings;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.jinja.TemplateException;
import dev.lockstep.text.tools.Answer;
import dev.lockstep.text.tools.AnswerFormat;
import dev.lockstep.text.tools.TemplateTools;
import java.nio.file.Path;
import java.time.Clock;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Takes answers of a model apart; starts no process.
final class ParseCommand extends JsonLinesCommand {
    private static final String OUTPUT = "output";
    private static final String TOOLS = "tools";

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                    TemplateChoice.TEMPLATE,
                    ProcessKeys.MODEL,
                    ProcessKeys.CHAT_TEMPLATE,
                    TemplateChoice.BOS_TOKEN,
                    TemplateChoice.EOS_TOKEN,
                    TextSettings.TOOL_FORMAT);

    ParseCommand() {
        super(
                "parse",
                "[--template=FILE|--model=PATH [--chat-template=FILE]] [--tool-format=FILE] < answers.jsonl\n\nReads one answer per line (messages and tools of the request, and the output: what the\nmodel wrote) and writes one {\"message\": …} or {\"error\": …} per line. An output without\nthe closing marker of reasoning has none, also where the prompt opens it.",
                "answers to messages with tool calls: JSON lines in, {\"message\": …} or {\"error\": …} out",
                SPEC);
    }

    @Override
    JsonLines.Step step(Settings settings) throws InterruptedException {
        ChatTemplate template = TemplateChoice.of(settings);
        Clock clock = Clock.system(ZoneId.systemDefault());
        AnswerFormat format = format(settings, template, clock);
        return line -> parse(template, format, clock, line);
    }

    private static AnswerFormat format(Settings settings, ChatTemplate template, Clock clock) {
        Optional<String> file = settings.find(TextSettings.TOOL_FORMAT);
        try {
            return file.isPresent()
                    ? AnswerFormat.learn(template, clock, Path.of(file.get()))
                    : AnswerFormat.learn(template, clock);
        } catch (IllegalArgumentException e) {
            throw new UnusableException(String.valueOf(e.getMessage()));
        }
    }

    private static ObjectNode parse(
            ChatTemplate template, AnswerFormat format, Clock clock, String line) {
        ObjectNode result = JsonLines.JSON.createObjectNode();
        try {
            ObjectNode request = JsonLines.object(line);
            JsonNode output = request.path(OUTPUT);
            if (!output.isTextual()) {
                throw new IllegalArgumentException(OUTPUT + " is missing or no text");
            }
            JsonNode tools = request.path(TOOLS);
            String prompt = prompt(template, clock, request, tools);
            boolean reasons =
                    format.reasoning()
                            .filter(
                                    reasoning ->
                                            output.textValue()
                                                    .contains(reasoning.closing().strip()))
                            .isPresent();
            Answer answer =
                    Answer.whole(
                            format, functions(tools), reasons ? prompt : "", output.textValue());
            result.set("message", message(answer));
            return result;
        } catch (TemplateException | IllegalArgumentException e) {
            return result.put("error", String.valueOf(e.getMessage()));
        }
    }

    private static String prompt(
            ChatTemplate template, Clock clock, ObjectNode request, JsonNode tools) {
        request.remove(List.of(OUTPUT, TOOLS));
        ChatVariables conversation = RenderRequest.variables(request);
        if (tools.isArray()) {
            List<Map<String, Object>> declared = new ArrayList<>();
            for (JsonNode tool : tools) {
                declared.add(plain(tool));
            }
            conversation = TemplateTools.add(conversation, declared, template, clock);
        }
        ChatVariables given = conversation;
        return template.render(
                template.toolCallForm(clock).map(form -> form.apply(given)).orElse(given), clock);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> plain(JsonNode tool) {
        if (!tool.isObject()) {
            throw new IllegalArgumentException(TOOLS + " has an entry that is no object");
        }
        return JsonLines.JSON.convertValue(tool, Map.class);
    }

    private static Map<String, JsonNode> functions(JsonNode tools) {
        Map<String, JsonNode> functions = new LinkedHashMap<>();
        for (JsonNode tool : tools) {
            JsonNode function = tool.path("function");
            functions.put(function.path("name").asText(), function.path("parameters"));
        }
        return functions;
    }

    private static ObjectNode message(Answer answer) {
        ObjectNode message = JsonLines.JSON.createObjectNode().put("role", "assistant");
        message.put(
                "content",
                answer.content().isEmpty() && !answer.calls().isEmpty() ? null : answer.content());
        if (!answer.reasoning().isEmpty()) {
            message.put("reasoning_content", answer.reasoning());
        }
        if (!answer.calls().isEmpty()) {
            ArrayNode calls = message.putArray("tool_calls");
            for (Answer.Call call : answer.calls()) {
                ObjectNode written = calls.addObject();
                call.id().ifPresent(id -> written.put("id", id));
                written.put("type", "function");
                written.putObject("function")
                        .put("name", call.name())
                        .put("arguments", call.arguments());
            }
        }
        return message;
    }
}
