// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.cli.console.Terminal;
import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cli.hub.ModelChoice;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;

/// Converts texts to token ids; starts no process.
final class TokenizeCommand extends JsonLinesCommand {
    private static final Key<Boolean> ADD_SPECIAL =
            Key.flag("add-special", "add BOS and EOS to the ids as the model's tokenizer defines");

    private static final SettingsSpec SPEC = SettingsSpec.of(ProcessKeys.MODEL, ADD_SPECIAL);

    TokenizeCommand() {
        super(
                "tokenize",
                "[--model=PATH] [--add-special] < texts.jsonl\n\nReads one {\"text\": …} per line and writes one {\"ids\": […]} per line. Added tokens in the\ntext are recognised. A .gguf file that holds only a vocabulary is accepted.",
                "texts to token ids: JSON lines {\"text\": …} in, {\"ids\": […]} out",
                SPEC);
    }

    @Override
    JsonLines.Step step(Settings settings) throws InterruptedException {
        ModelChoice model = ModelChoice.of(settings, Terminal.standardError());
        TokenizerSource source = TokenizerSource.open(model.path());
        if (!source.hasTokenizer()) {
            throw new UnusableException(
                    "%s has no tokenizer: it serves token ids only".formatted(model.path()));
        }
        Tokenizer tokenizer = Tokenizers.of(source);
        var options = new EncodeOptions(true, settings.value(ADD_SPECIAL));
        return line -> ids(tokenizer.encode(text(line), options));
    }

    private static String text(String line) {
        JsonNode text = JsonLines.object(line).path("text");
        if (!text.isTextual()) {
            throw new IllegalArgumentException(
                    text.isMissingNode() ? "text is missing" : "text is not a string");
        }
        return text.textValue();
    }

    private static ObjectNode ids(int[] ids) {
        ObjectNode result = JsonLines.JSON.createObjectNode();
        ArrayNode list = result.putArray("ids");
        for (int id : ids) {
            list.add(id);
        }
        return result;
    }
}
