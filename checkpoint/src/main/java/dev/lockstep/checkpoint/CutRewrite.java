// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// A folder in Hugging Face layout that is written anew, its tensors cut for ranks and its layers
/// divided into stages.
///
/// `lockstep_cut.json` appears when everything else is complete. Each file is `NAME.partial` until
/// it is complete, and a rewrite that finds files with the same headers goes on after the last
/// whole tensor: a header names what the data depends on.
public final class CutRewrite {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// What parts of other bytes for the same source have another number of.
    private static final int VERSION = 1;

    private final FolderCheckpoint source;
    private final Path target;
    private final int ranks;
    private final CutPlan plan;

    /// Receives the progress.
    @FunctionalInterface
    public interface Progress {
        void written(int tensors, int all);
    }

    private CutRewrite(FolderCheckpoint source, Path target, int ranks, CutPlan plan) {
        this.source = source;
        this.target = target;
        this.ranks = ranks;
        this.plan = plan;
    }

    /// Plans the files.
    ///
    /// @param ranks what each rank reads
    /// @throws CheckpointException if the model has fewer layers than stages
    public static CutRewrite of(Path source, Path target, List<RankReads> ranks, int stages) {
        FolderCheckpoint checkpoint = FolderCheckpoint.openFolder(source);
        return new CutRewrite(
                checkpoint, target, ranks.size(), CutPlan.of(checkpoint, ranks, stages));
    }

    /// Returns the file that exists once a folder is complete.
    public static Path complete(Path target) {
        return target.resolve(CutLayout.FILE);
    }

    /// Writes all files; returns a line that says what was written.
    public String write(Progress progress) {
        try {
            Files.createDirectories(target);
            removeOthers();
            int all = plan.entries().values().stream().mapToInt(List::size).sum();
            int before = 0;
            List<CutFile> files = new ArrayList<>();
            for (Map.Entry<CutPlan.Place, List<CutEntry>> each : plan.entries().entrySet()) {
                CutPlan.Place place = each.getKey();
                int written = before;
                Path file = target.resolve(name(place));
                write(file, each.getValue(), piece -> progress.written(written + piece, all));
                files.add(CutFile.of(file, place.stage(), place.rank()));
                before += each.getValue().size();
            }
            new SideFiles(source.path(), target).copy();
            Files.copy(
                    source.path().resolve("config.json"),
                    target.resolve("config.json"),
                    StandardCopyOption.REPLACE_EXISTING);
            writeLayout(files);
            return "%s: %d files for %d ranks in %d stages"
                    .formatted(target, files.size(), ranks, plan.layers().size());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private interface Pieces {
        void next(int piece);
    }

    private void write(Path file, List<CutEntry> entries, Pieces progress) {
        var header = new SafetensorsHeader();
        ObjectNode parts = JSON.createObjectNode();
        for (CutEntry each : entries) {
            header.add(each.name(), each.dtype(), each.shape(), each.bytes());
            each.part()
                    .ifPresent(
                            part ->
                                    parts.putObject(each.name())
                                            .put("type", part.type().name())
                                            .put("rows", part.rows().toString())
                                            .put("columns", part.columns().toString()));
        }
        String origin = "%d %s".formatted(VERSION, source.digest());
        byte[] start = header.bytes(origin, Map.of(HeldTensors.PARTS, parts.toString()));
        if (PartialFile.isComplete(file, start, header.pieceBytes())) {
            return;
        }
        try (PartialFile partial = PartialFile.open(file, start, header.pieceBytes(), 1)) {
            for (int piece = partial.done(); piece < entries.size(); piece++) {
                progress.next(piece);
                entries.get(piece).write(partial, piece);
            }
            partial.finish();
        }
    }

    /// Removes files of another cut.
    private void removeOthers() throws IOException {
        List<String> names = plan.entries().keySet().stream().map(this::name).toList();
        try (Stream<Path> files = Files.list(target)) {
            for (Path each : files.toList()) {
                String name = String.valueOf(each.getFileName());
                boolean cut = name.matches("model-stage-.*\\.safetensors(\\.partial)?");
                if (cut && !names.contains(name.replace(".partial", ""))) {
                    Files.delete(each);
                }
            }
        }
    }

    private String name(CutPlan.Place place) {
        return CutFile.name(place.stage(), plan.layers().size(), place.rank(), ranks);
    }

    private void writeLayout(List<CutFile> files) throws IOException {
        var layout =
                new CutLayout(
                        ranks,
                        plan.layers(),
                        source.digest(),
                        CutLayout.digestOfConfig(source.path()),
                        source.config().weightType(),
                        source.isBaseModel(),
                        source.otherModalities(),
                        files,
                        plan.described());
        Path partial = target.resolve(CutLayout.FILE + ".partial");
        Files.writeString(partial, layout.json());
        Files.move(partial, complete(target), StandardCopyOption.ATOMIC_MOVE);
    }
}
