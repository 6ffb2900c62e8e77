// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.jinja.TemplateException;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;

/// Renders chat templates; starts no process.
final class RenderCommand extends JsonLinesCommand {
    private static final Key<String> NOW =
            Key.text("now", "TIME", "the time of strftime_now, such as 2026-01-15T12:00:00")
                    .orElseComputed("the clock");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                    TemplateChoice.TEMPLATE,
                    ProcessKeys.MODEL,
                    ProcessKeys.CHAT_TEMPLATE,
                    TemplateChoice.BOS_TOKEN,
                    TemplateChoice.EOS_TOKEN,
                    NOW);

    RenderCommand() {
        super(
                "render",
                "[--template=FILE|--model=PATH [--chat-template=FILE]] [--key=value …] < requests.jsonl\n\nReads one chat request per line (messages, tools, add_generation_prompt, and other\nvariables of the template) and writes one {\"text\": …} or {\"error\": …} per line.",
                "chat requests to prompts: JSON lines in, {\"text\": …} or {\"error\": …} out",
                SPEC);
    }

    @Override
    JsonLines.Step step(Settings settings) throws InterruptedException {
        ChatTemplate template = TemplateChoice.of(settings);
        Clock clock =
                settings.find(NOW)
                        .map(RenderCommand::clock)
                        .orElse(Clock.system(ZoneId.systemDefault()));
        return line -> render(template, clock, line);
    }

    private static ObjectNode render(ChatTemplate template, Clock clock, String line) {
        ObjectNode result = JsonLines.JSON.createObjectNode();
        try {
            ObjectNode request = JsonLines.object(line);
            return result.put("text", template.render(RenderRequest.variables(request), clock));
        } catch (TemplateException | IllegalArgumentException e) {
            return result.put("error", String.valueOf(e.getMessage()));
        }
    }

    private static Clock clock(String now) {
        try {
            return Clock.fixed(LocalDateTime.parse(now).toInstant(ZoneOffset.UTC), ZoneOffset.UTC);
        } catch (DateTimeParseException e) {
            throw new SettingsException(
                    "--now: \"%s\" is not a time such as 2026-01-15T12:00:00".formatted(now));
        }
    }
}
