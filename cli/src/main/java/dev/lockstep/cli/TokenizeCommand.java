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

/// Turns texts into token ids without starting anything.
final class TokenizeCommand extends JsonLinesCommand {
    private static final Key<Boolean> ADD_SPECIAL =
            Key.flag("add-special", "put BOS and EOS around the ids as the model's rule says");

    private static final SettingsSpec SPEC = SettingsSpec.of(ProcessKeys.MODEL, ADD_SPECIAL);

    TokenizeCommand() {
        super(
                "tokenize",
                "--model=PATH [--add-special] < texts.jsonl\n\nReads {\"text\": …} a line and writes {\"ids\": […]} a line. Added tokens written in the\ntext are recognised. A .gguf file may hold a vocabulary alone.",
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
        EncodeOptions options = new EncodeOptions(true, settings.value(ADD_SPECIAL));
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
        ObjectNode answer = JsonLines.JSON.createObjectNode();
        ArrayNode list = answer.putArray("ids");
        for (int id : ids) {
            list.add(id);
        }
        return answer;
    }
}
