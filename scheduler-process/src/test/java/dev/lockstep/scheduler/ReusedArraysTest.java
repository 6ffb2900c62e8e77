// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// Nothing of one request, and of one step, is in a plan or an event of another.
///
/// A whole run is the same when all memory that a scheduler uses again is overwritten with a marker
/// before every plan: scratch arrays, and the unused part of every array that grows or is a ring.
class ReusedArraysTest {
    private static final int SEEDS = 20;

    /// As a block, a slot or a count far out of range.
    private static final int MARKER = 0x7fc0_dead;

    /// Arrays that have no meaning between two plans.
    private static final Set<String> SCRATCH =
            Set.of(
                    "StepDivision.counts",
                    "PrefixCache.scratch",
                    "PrefixCache.hash",
                    "FullBlockNames.ids",
                    "PrefixMatch.partialSource",
                    "PrefixMatch.found",
                    "PrefixMatch.firstNeeded",
                    "PrefixMatch.revived",
                    "Generation.tokenOfSlot");

    /// Arrays of which a part has no meaning; [#fill] knows which.
    private static final Set<String> PARTLY_USED =
            Set.of("SlotPool", "Timeline", "StepPlan", "StepPlan$Row");

    /// Classes whose arrays live as long as their sequence, or hold what the pools and the pace
    /// know about all steps: an index, a count or a time for each block, slot or pool.
    private static final Set<String> STATE =
            Set.of(
                    "BlockNames",
                    "BlockPool",
                    "BlockTable",
                    "DeferredFrees",
                    "DeferredFrees$Deferred",
                    "KvPools",
                    "LookAhead",
                    "PagedKvCache",
                    "Payload",
                    "PrefillPace",
                    "PrefixCache",
                    "Reservations",
                    "Scheduler",
                    "Sequence",
                    "SequenceBlocks",
                    "StepPlan$Admission",
                    "StepTime");

    @Test
    void aRunIsTheSameThoughEveryReusedArrayHasAMarker() {
        for (long seed = 0; seed < SEEDS; seed++) {
            var expected = new ArrayList<Object>();
            var actual = new ArrayList<Object>();
            Simulation.Counts plain =
                    new Simulation(seed, scheduler -> expected.add(timelines(scheduler))).run();
            Simulation.Counts marked =
                    new Simulation(
                                    seed,
                                    scheduler -> {
                                        objects(scheduler).forEach(ReusedArraysTest::fill);
                                        actual.add(timelines(scheduler));
                                    })
                            .run();
            assertEquals(plain, marked, "seed " + seed);
            assertEquals(expected.size(), actual.size(), "seed " + seed);
            for (int plan = 0; plan < expected.size(); plan++) {
                assertEquals(expected.get(plan), actual.get(plan), "seed " + seed);
            }
        }
    }

    /// An array that is added later is decided upon here, too.
    @Test
    void everyArrayOfTheCoreIsKnown() throws Exception {
        var unknown = new TreeSet<String>();
        var found = new TreeSet<String>();
        for (Class<?> each : classes()) {
            for (Field field : arrays(each)) {
                String owner = simpleName(each);
                String name = owner + "." + field.getName();
                found.add(name);
                if (!SCRATCH.contains(name)
                        && !PARTLY_USED.contains(owner)
                        && !STATE.contains(owner)) {
                    unknown.add(name);
                }
            }
        }
        assertEquals(Set.of(), unknown);
        assertTrue(found.containsAll(SCRATCH), "an array of the list is gone: " + found);
    }

    private static void fill(Object object) {
        for (Field field : arrays(object.getClass())) {
            String name = simpleName(object.getClass()) + "." + field.getName();
            if (SCRATCH.contains(name)) {
                Object array = value(field, object);
                fill(array, 0, Array.getLength(array));
            }
        }
        switch (object) {
            case SlotPool pool -> {
                fill(value(pool, "released"), (int) value(pool, "releasedCount"));
                fill(value(pool, "free"), (int) value(pool, "freeCount"));
            }
            case StepPlan plan -> {
                List<?> made = (List<?>) value(plan, "made");
                for (Object row : made.subList(plan.rows().size(), made.size())) {
                    fill((StepPlan.Row) row);
                }
            }
            case Timeline timeline -> {
                Object[] owner = (Object[]) value(timeline, "owner");
                int used = owner.length;
                while (used > 0 && owner[used - 1] == null) {
                    used--;
                }
                for (Field field : arrays(Timeline.class)) {
                    Object array = value(field, timeline);
                    if (array.getClass().getComponentType().isPrimitive()
                            && Array.getLength(array) == owner.length) {
                        fill(array, used);
                    }
                }
            }
            default -> {}
        }
    }

    private static void fill(StepPlan.Row row) {
        set(row, "slot", MARKER);
        set(row, "computed", MARKER);
        set(row, "count", MARKER);
        set(row, "samples", true);
        set(row, "prefill", true);
        row.extend(new int[][] {{MARKER}, {MARKER}}, List.of());
        row.tell(new int[] {MARKER});
    }

    private static void fill(Object array, int from) {
        fill(array, from, Array.getLength(array));
    }

    private static void fill(Object array, int from, int to) {
        switch (array) {
            case int[] values -> Arrays.fill(values, from, to, MARKER);
            case long[] values -> Arrays.fill(values, from, to, MARKER);
            case int[][] values -> {
                for (int[] each : values) {
                    Arrays.fill(each, MARKER);
                }
            }
            case StepResult.Sampled[] values ->
                    Arrays.fill(
                            values,
                            from,
                            to,
                            new StepResult.Sampled(MARKER, SampledToken.of(MARKER)));
            default -> throw new IllegalStateException("an array of " + array.getClass());
        }
    }

    /// Returns what the timelines say of every sequence that a scheduler knows.
    private static List<?> timelines(Scheduler scheduler) {
        var found = new ArrayList<List<Timeline.Choice>>();
        List<Object> objects = objects(scheduler);
        for (Object timeline : objects) {
            for (Object sequence : objects) {
                if (timeline instanceof Timeline all && sequence instanceof Sequence one) {
                    found.add(all.describe(one.requestId(), one.options().tenant()));
                }
            }
        }
        return found;
    }

    /// Returns every object of the core that a scheduler holds, directly or through others, in an
    /// order that is the same in each run.
    private static List<Object> objects(Scheduler scheduler) {
        Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        var found = new ArrayList<Object>();
        collect(scheduler, seen, found);
        return found;
    }

    private static void collect(Object object, Set<Object> seen, List<Object> found) {
        if (object instanceof Enum<?> || !seen.add(object)) {
            return;
        }
        switch (object) {
            case Iterable<?> values -> values.forEach(each -> collect(each, seen, found));
            case Map<?, ?> map -> map.values().forEach(each -> collect(each, seen, found));
            case Optional<?> value -> value.ifPresent(each -> collect(each, seen, found));
            case Object[] values ->
                    Stream.of(values)
                            .filter(each -> each != null)
                            .forEach(each -> collect(each, seen, found));
            default -> {
                if (object.getClass().getPackage() == Scheduler.class.getPackage()) {
                    found.add(object);
                    for (Field field : object.getClass().getDeclaredFields()) {
                        boolean follows =
                                !Modifier.isStatic(field.getModifiers())
                                        && !field.getType().isPrimitive();
                        Object value = follows ? value(field, object) : null;
                        if (value != null) {
                            collect(value, seen, found);
                        }
                    }
                }
            }
        }
    }

    private static List<Class<?>> classes() throws Exception {
        Path root =
                Path.of(
                        Scheduler.class
                                .getProtectionDomain()
                                .getCodeSource()
                                .getLocation()
                                .toURI());
        String name = Scheduler.class.getPackageName();
        var found = new ArrayList<Class<?>>();
        try (Stream<Path> files = Files.list(root.resolve(name.replace('.', '/')))) {
            for (Path file : files.toList()) {
                String simple = file.getFileName().toString();
                if (simple.endsWith(".class") && Files.exists(source(simple))) {
                    simple = simple.substring(0, simple.length() - ".class".length());
                    found.add(Class.forName(name + "." + simple));
                }
            }
        }
        return found;
    }

    /// Returns where the source of a class file is, if the class is no test.
    private static Path source(String classFile) {
        String outermost = classFile.replaceAll("(\\$.*)?[.]class$", ".java");
        String folder = Scheduler.class.getPackageName().replace('.', '/');
        return Path.of("src/main/java", folder, outermost);
    }

    private static List<Field> arrays(Class<?> type) {
        return Stream.of(type.getDeclaredFields())
                .filter(field -> field.getType().isArray())
                .filter(field -> !Modifier.isStatic(field.getModifiers()))
                .toList();
    }

    private static String simpleName(Class<?> type) {
        return type.getName().substring(type.getPackageName().length() + 1);
    }

    private static Object value(Object object, String field) {
        return value(field(object, field), object);
    }

    private static Object value(Field field, Object object) {
        try {
            field.setAccessible(true);
            return field.get(object);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void set(Object object, String field, Object value) {
        try {
            field(object, field).set(object, value);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Field field(Object object, String name) {
        try {
            Field field = object.getClass().getDeclaredField(name);
            field.setAccessible(true);
            return field;
        } catch (NoSuchFieldException e) {
            throw new IllegalStateException(e);
        }
    }
}
