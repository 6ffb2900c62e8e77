// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.checkpoint.TokenizerSource;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/// The encoding throughput of one thread for texts of a megabyte, in texts and in tokens per
/// second.
@State(Scope.Thread)
@Fork(1)
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 3, time = 2)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
public class TokenizerBench {
    private static final int CHARACTERS = 1 << 20;

    /// The path of a model folder or a `.gguf` file.
    @Param("")
    public String model = "";

    @Param({
        "prose",
        "one letter",
        "one word of all letters",
        "nested added tokens",
        "combining marks",
        "combining marks, unordered",
        "spaces, then a letter"
    })
    public String text = "";

    private Optional<Tokenizer> tokenizer = Optional.empty();
    private String input = "";

    /// The token counter, reported per second like operations.
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    @State(Scope.Thread)
    public static class Counted {
        public long tokens;
    }

    @Setup
    public void open() {
        tokenizer = Optional.of(Tokenizers.of(TokenizerSource.open(Path.of(model))));
        input =
                text.equals("prose")
                        ? HardTexts.prose(CHARACTERS)
                        : String.valueOf(HardTexts.all(CHARACTERS).get(text));
    }

    @Benchmark
    public int[] encode(Counted counted) {
        int[] ids = tokenizer.orElseThrow().encode(input, true);
        counted.tokens += ids.length;
        return ids;
    }
}
