package dev.lockstep.coordinator.text;

import dev.lockstep.checkpoint.TokenizerSource;
import java.nio.file.Path;
import java.util.Map;

/// Prints how fast texts become ids: English prose, and a megabyte of each kind of text that a
/// careless tokenizer takes quadratic time for. Run by hand: `TokenizerBench MODEL …`, folders or
/// `.gguf` files.
final class TokenizerBench {
    private static final int ROUNDS = 7;

    private TokenizerBench() {}

    public static void main(String[] models) {
        for (String model : models) {
            Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(Path.of(model)));
            System.out.println(model);
            measure(tokenizer, "prose", HardTexts.prose(1 << 20));
            for (Map.Entry<String, String> text : HardTexts.all(1 << 20).entrySet()) {
                measure(tokenizer, text.getKey(), text.getValue());
            }
        }
    }

    private static void measure(Tokenizer tokenizer, String name, String text) {
        long best = Long.MAX_VALUE;
        int tokens = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long start = System.nanoTime();
            tokens = tokenizer.encode(text, true).length;
            best = Math.min(best, System.nanoTime() - start);
        }
        System.out.printf(
                "  %-24s %8d tokens %8.1f ms %8.2f M tokens/s%n",
                name, tokens, best / 1e6, tokens * 1e3 / best);
    }
}
