// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import dev.lockstep.text.jinja.TemplateException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.format.DateTimeParseException;
import java.util.Optional;

/// Renders chat templates; starts no process.
final class RenderCommand extends JsonLinesCommand {
    private static final Key<String> TEMPLATE =
            Key.text("template", "FILE", "a chat template").orElseComputed("the model's");
    private static final Key<String> BOS_TOKEN =
            Key.anyText("bos-token", "TEXT", "the template's bos_token")
                    .orElseComputed("the model's, or empty");
    private static final Key<String> EOS_TOKEN =
            Key.anyText("eos-token", "TEXT", "the template's eos_token")
                    .orElseComputed("the model's, or empty");
    private static final Key<String> NOW =
            Key.text("now", "TIME", "the time of strftime_now, such as 2026-01-15T12:00:00")
                    .orElseComputed("the clock");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                    TEMPLATE,
                    ProcessKeys.MODEL,
                    ProcessKeys.CHAT_TEMPLATE,
                    BOS_TOKEN,
                    EOS_TOKEN,
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
        ChatTemplate template = template(settings);
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

    private static ChatTemplate template(Settings settings) throws InterruptedException {
        boolean hasTemplate = settings.isGiven(TEMPLATE);
        if (hasTemplate && settings.isGiven(ProcessKeys.MODEL)) {
            throw new SettingsException("give --template or --model, not both");
        }
        if (hasTemplate && settings.isGiven(ProcessKeys.CHAT_TEMPLATE)) {
            throw new SettingsException("give --chat-template with --model, --template alone");
        }
        return hasTemplate
                ? parse(
                        TokenizerSource.Template.read(Path.of(settings.value(TEMPLATE))),
                        settings.find(BOS_TOKEN).orElse(""),
                        settings.find(EOS_TOKEN).orElse(""))
                : ofModel(settings);
    }

    private static ChatTemplate ofModel(Settings settings) throws InterruptedException {
        Path path = ModelChoice.of(settings, Terminal.standardError()).path();
        TokenizerSource source = TokenizerSource.open(path);
        TokenizerSource.Template template =
                settings.find(ProcessKeys.CHAT_TEMPLATE)
                        .map(file -> TokenizerSource.Template.read(Path.of(file)))
                        .or(source::chatTemplate)
                        .orElseThrow(
                                () ->
                                        new UnusableException(
                                                path
                                                        + " has no chat template: name one with --chat-template"));
        Optional<Tokenizer> tokenizer =
                source.hasTokenizer() ? Optional.of(Tokenizers.of(source)) : Optional.empty();
        return parse(
                template,
                settings.find(BOS_TOKEN)
                        .orElseGet(() -> tokenizer.map(Tokenizer::bosText).orElse("")),
                settings.find(EOS_TOKEN)
                        .orElseGet(() -> tokenizer.map(Tokenizer::eosText).orElse("")));
    }

    private static ChatTemplate parse(TokenizerSource.Template template, String bos, String eos) {
        try {
            return ChatTemplate.parse(template.text(), bos, eos);
        } catch (TemplateException e) {
            throw new UnusableException(template.place() + ": " + e.getMessage());
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
