// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.ReservedPorts;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A folder that was cut for ranks, on hosts that have no more of it than they need.
@ExtendWith(LogsOnFailure.class)
final class CutFolderIT {
    private static final int RANKS = 2;
    private static final int STAGES = 2;

    @Test
    void everyHostServesWithTheFilesOfItsRankAlone() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        int port = ReservedPorts.next();
        var processes = new SeparateProcesses(sandbox, ReservedPorts.next(), "cut");
        try (sandbox;
                var api = new Api(port)) {
            Path model = Models.recorded(sandbox, "qwen3-5-moe");
            Path cut = sandbox.folder().resolve("cut");
            LockstepProcess conversion =
                    sandbox.start(
                            "convert",
                            "convert",
                            List.of(
                                    model.toString(),
                                    cut.toString(),
                                    "--ranks=" + RANKS,
                                    "--stages=" + STAGES));
            assertEquals(0, conversion.awaitExit(), conversion::errors);
            processes.zooKeeper("zookeeper");
            processes.coordinator("coordinator", host(cut, -1), port);
            processes.scheduler("scheduler", sandbox.group(), RANKS);
            for (int rank = 0; rank < RANKS; rank++) {
                processes.worker(
                        "worker-" + rank,
                        host(cut, rank),
                        sandbox.group(),
                        rank,
                        RANKS,
                        "--dtype=f32",
                        "--kv-dtype=f32");
            }
            // No host has the whole folder.
            Files.move(cut, sandbox.folder().resolve("cut-before"));
            Files.move(model, sandbox.folder().resolve("model-before"));
            BoundedWait.await("the coordinator is ready", api::isReady);
            for (GoldenCase golden : GoldenCase.of(Models.reference("qwen3-5-moe"))) {
                JsonNode response = api.post(CompletionBodies.COMPLETIONS, golden.request()).ok();
                assertEquals(golden.greedy(), Generated.of(response).ids());
            }
        }
    }

    /// Copies what the host of a rank needs; -1 is a host without a rank.
    private static Path host(Path cut, int rank) throws IOException {
        Path host = cut.resolveSibling("host-" + rank);
        Files.createDirectory(host);
        int ofRanks = 0;
        try (Stream<Path> files = Files.list(cut)) {
            for (Path file : files.toList()) {
                String name = file.getFileName().toString();
                if (!name.contains("-rank-") || name.contains("-rank-" + rank + "-of-" + RANKS)) {
                    Files.copy(file, host.resolve(name));
                    ofRanks += name.contains("-rank-") ? 1 : 0;
                }
            }
        }
        assertEquals(rank < 0 ? 0 : STAGES, ofRanks, "files of rank " + rank);
        return host;
    }
}
