// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.Fixtures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// `docs/models.md` has every architecture that is served, and every one that is refused by name;
/// of models of several modalities it says which are recorded.
class ModelsPageTest {
    private static final Path PAGE = Path.of("..", "docs", "models.md");
    private static final Pattern CELL = Pattern.compile("\\|");
    private static final Pattern NAME = Pattern.compile("`([^`]+)`");

    @Test
    void theTableHasTheArchitecturesOfEveryFamily() throws IOException {
        Map<String, Set<String>> served = new TreeMap<>();
        for (ModelFamily family : ModelLoader.builtIn()) {
            served.put(family.getClass().getSimpleName(), new TreeSet<>(family.architectures()));
        }
        Map<String, Set<String>> listed = new TreeMap<>();
        for (List<String> row : rows("| Hugging Face | GGUF |")) {
            Set<String> names = listed.computeIfAbsent(row.get(2), _ -> new TreeSet<>());
            names.addAll(names(row.get(0)));
            names.addAll(names(row.get(1)));
        }
        assertEquals(served, listed);
    }

    /// Files of `mistral` and `mixtral` would be as those of `llama`.
    @Test
    void everyArchitectureOfTheTableIsRecorded() throws Exception {
        List<Path> folders = new ArrayList<>(RecordedLogitsTest.folders());
        try (Stream<Path> encoders = Files.list(RecordedLogitsTest.folder("../encoders"))) {
            encoders.forEach(folders::add);
        }
        for (String name : FamilyGoldenTest.FAMILIES) {
            folders.add(Fixtures.require("models/" + name));
        }
        Set<String> recorded = new TreeSet<>();
        for (Path folder : folders) {
            recorded.add(Checkpoint.openFiles(RecordedLogitsTest.model(folder)).architecture());
        }
        Set<String> listed = new TreeSet<>();
        for (List<String> row : rows("| Hugging Face | GGUF | [family]")) {
            listed.addAll(names(row.get(0)));
            listed.addAll(names(row.get(1)));
        }
        listed.removeAll(recorded);
        assertEquals(Set.of("mistral", "mixtral"), listed);
    }

    @Test
    void theTableHasTheReasonOfEveryRefusedArchitecture() throws IOException {
        Map<String, String> listed = new LinkedHashMap<>();
        for (List<String> row : rows("| Hugging Face | why |")) {
            listed.put(names(row.get(0)).getFirst(), row.get(1));
        }
        Map<String, String> refused = new LinkedHashMap<>();
        RefusedArchitectures.names()
                .forEach(
                        name -> refused.put(name, RefusedArchitectures.reason(name).orElseThrow()));
        assertEquals(refused, listed);
        for (ModelFamily family : ModelLoader.builtIn()) {
            Set<String> both = new TreeSet<>(family.architectures());
            both.retainAll(refused.keySet());
            assertEquals(Set.of(), both, "served and refused");
        }
    }

    @Test
    void theTableSaysWhichModelsOfSeveralModalitiesAreRecorded() throws Exception {
        Map<String, Set<String>> recorded = new TreeMap<>();
        for (Path folder : RecordedLogitsTest.folders()) {
            if (!Files.exists(folder.resolve("config.json"))) {
                continue;
            }
            Checkpoint checkpoint = Checkpoint.openFiles(folder);
            if (checkpoint.otherModalities().isPresent()) {
                JsonNode config = Goldens.json(folder.resolve("config.json"));
                recorded.computeIfAbsent(
                                config.get("architectures").get(0).textValue(),
                                _ -> new TreeSet<>())
                        .add(checkpoint.architecture());
            }
        }
        Set<String> listed = new TreeSet<>();
        for (List<String> row : rows("| Hugging Face | runs as |")) {
            assertTrue(Set.of("yes", "no").contains(row.get(2)), row.get(2));
            for (String name : names(row.get(0))) {
                if (row.get(2).equals("yes")) {
                    listed.add(name);
                }
                if (!row.get(1).contains("by the type of")) {
                    Set<String> texts = recorded.getOrDefault(name, Set.of());
                    assertTrue(names(row.get(1)).containsAll(texts), name + ": " + texts);
                }
            }
        }
        assertEquals(recorded.keySet(), listed);
    }

    /// Returns the cells of the tables whose first line begins with `head`.
    private static List<List<String>> rows(String head) throws IOException {
        List<List<String>> rows = new ArrayList<>();
        boolean inside = false;
        for (String line : Files.readAllLines(PAGE)) {
            inside = line.startsWith(head) || (inside && line.startsWith("|"));
            if (inside && !line.startsWith(head) && !line.startsWith("|--")) {
                rows.add(CELL.splitAsStream(line.substring(1)).map(String::strip).toList());
            }
        }
        return rows;
    }

    private static List<String> names(String cell) {
        return NAME.matcher(cell).results().map(match -> match.group(1)).toList();
    }
}
