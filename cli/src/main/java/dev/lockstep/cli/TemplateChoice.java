// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import dev.lockstep.text.jinja.TemplateException;
import java.nio.file.Path;
import java.util.Optional;

/// The chat template that a user names: a file, or that of a model.
final class TemplateChoice {
    static final Key<String> TEMPLATE =
            Key.text("template", "FILE", "a chat template").orElseComputed("the model's");
    static final Key<String> BOS_TOKEN =
            Key.anyText("bos-token", "TEXT", "the template's bos_token")
                    .orElseComputed("the model's, or empty");
    static final Key<String> EOS_TOKEN =
            Key.anyText("eos-token", "TEXT", "the template's eos_token")
                    .orElseComputed("the model's, or empty");

    private TemplateChoice() {}

    static ChatTemplate of(Settings settings) throws InterruptedException {
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
}
