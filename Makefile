# Virga's build.  `make help` lists the targets.
#
# Everything goes to .build/ (SAN=1: .build-san/, with AddressSanitizer and
# UndefinedBehaviorSanitizer; FUZZ=1: .build-fuzz/, by clang for libFuzzer).
# Sources are found, not listed: a room is src/ROOM/*.c, a unit test is
# src/ROOM/*_test.c, a program is src/programs/PROGRAM/*.c.  Each file is made
# aside and renamed, so that an interrupted or a second make breaks nothing.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
SHELL := /bin/bash

CC := gcc
PYTHON := /usr/bin/python3
VERSION := 0.1.0

PREFIX := /usr/local
DESTDIR :=
FUZZ_SECONDS := 30
BENCH := all
HOURS := 1
RUNS :=

# --- Variants ----------------------------------------------------------------

ifdef FUZZ
B := .build-fuzz
CC := clang
# Pointer overflow: OVS's list macros step off a null pointer on purpose.
VARIANT_CFLAGS := -O1 -w -fno-omit-frame-pointer -DVIRGA_FUZZ=1 \
	-fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize=pointer-overflow,alignment,function -fno-sanitize-recover=all
VARIANT_LDFLAGS := -fsanitize=fuzzer,address,undefined
else ifdef SAN
B := .build-san
VARIANT_CFLAGS := -O1 -Werror -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all
VARIANT_LDFLAGS := -fsanitize=address,undefined
else
B := .build
VARIANT_CFLAGS := -O2 -Werror
VARIANT_LDFLAGS :=
endif

# --- What is there -----------------------------------------------------------

# In their order: a room uses only rooms before it (scripts/check-layers).
ALL_ROOMS := base sources model compile store node openflow stats export api
ROOMS := $(foreach r,$(ALL_ROOMS),$(if $(filter-out %_test.c,$(wildcard src/$r/*.c)),$r))
PROGRAMS := $(notdir $(patsubst %/,%,$(dir $(wildcard src/programs/*/main.c))))

room_sources = $(filter-out %_test.c,$(wildcard src/$1/*.c))
to_objects = $(patsubst %.c,$B/obj/%.o,$1)
program_objects = $(call to_objects,$(call room_sources,programs/$1))

ROOM_TESTS := $(wildcard $(addprefix src/,$(addsuffix /*_test.c,$(ALL_ROOMS))))
PROGRAM_TESTS := $(wildcard src/programs/*/*_test.c)
TESTS := $(patsubst %.c,$B/test/%,$(notdir $(ROOM_TESTS) $(PROGRAM_TESTS)))
ifneq ($(words $(TESTS)),$(words $(sort $(TESTS))))
$(error two unit tests share a name: $(TESTS))
endif
FUZZERS := $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(wildcard tests/fuzz/*_fuzz.c))

# Generated sources, if what they come from is there.
SCHEMA := $(and $(wildcard include/virga.ovsschema),$(wildcard src/store/virga.ann),yes)
FLOW_FILES := $(sort $(wildcard ovs-flows/pipeline/*.flows))
GEN_HEADERS := $(if $(SCHEMA),$B/gen/virga-idl.h)
store_GEN := $(if $(SCHEMA),$B/obj/gen/virga-idl.o)
openflow_GEN := $(if $(FLOW_FILES),$B/obj/gen/pipeline_flows.o)

room_objects = $(call to_objects,$(call room_sources,$1)) $($1_GEN)
# Archives of room $1 and all before it, last first: the order to link in.
reverse = $(if $1,$(call reverse,$(wordlist 2,$(words $1),$1)) $(firstword $1))
until = $(if $2,$(firstword $2) $(if $(filter $1,$(firstword $2)),,\
	$(call until,$1,$(wordlist 2,$(words $2),$2))))
archives = $(patsubst %,$B/lib/%.a,$(call reverse,$(filter $(ROOMS),$(call until,$1,$(ALL_ROOMS)))))
ALL_ARCHIVES := $(patsubst %,$B/lib/%.a,$(call reverse,$(ROOMS)))

# --- Flags -------------------------------------------------------------------

OVS := .build/ovs
OVS_ARCHIVE := $(OVS)/lib/libopenvswitch.a

PKGS := jansson libevent_core libevent_extra libcurl yaml-0.1 libssl libcrypto libcap-ng zlib
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(filter-out libevent_%,$(PKGS)) 2>/dev/null) \
	-levent_core -levent_extra

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla \
	-Wformat=2 -Wwrite-strings -Wpointer-arith -Wimplicit-fallthrough -Wundef \
	-Wno-unused-parameter
# OVS's config.h shapes the structures of its headers.
OVS_CFLAGS := -isystem $(OVS)/include -isystem $(OVS)/include/lib \
	-include $(OVS)/include/config.h
CPPFLAGS := -D_GNU_SOURCE -DVIRGA_VERSION='"$(VERSION)"' -Isrc -Iinclude -I. -I$B/gen $(PKG_CFLAGS)
CFLAGS := -std=gnu11 -g -fno-common -ffunction-sections -fdata-sections \
	-fstack-protector-strong $(WARNINGS) $(VARIANT_CFLAGS)
LDFLAGS := -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now $(VARIANT_LDFLAGS)
LIBS := $(OVS_ARCHIVE) $(PKG_LIBS) -latomic -lpthread -lm

# virga-cni starts once per pod: nothing but jansson.
virga-cni_LIBS := -ljansson
virga-cni_ALONE := yes

ifdef V
say = @:
else
say = @printf '  %-8s %s\n' $1 '$2'
.SILENT:
endif

# Makes $@ aside and renames it.
define aside
$1 -o $@.$$$$.tmp $2 && mv -f $@.$$$$.tmp $@ || { rm -f $@.$$$$.tmp; exit 1; }
endef

# --- Build -------------------------------------------------------------------

.PHONY: all
all: programs

.PHONY: programs
programs: $(ALL_ARCHIVES) $(addprefix $B/bin/,$(PROGRAMS) labpod)

$(OVS_ARCHIVE):
	echo "$(OVS_ARCHIVE) is missing; run scripts/setup first (as root: it installs packages)," >&2
	echo "or scripts/build-openvswitch if the packages are there." >&2
	exit 1

# Changes when the flags do, or the OVS that is built against.
$B/flags: FORCE
	mkdir -p $B
	flags='$(subst ','\'',$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(LIBS)) '$$(readlink $(OVS)); \
	if [ "$$flags" != "$$(cat $@ 2>/dev/null)" ]; then printf '%s\n' "$$flags" >$@; fi
.PHONY: FORCE
FORCE:

$B/obj/src/%.o: src/%.c $B/flags | $(OVS_ARCHIVE) $(GEN_HEADERS)
	$(call say,CC,$<)
	mkdir -p $(@D)
	$(call aside,$(CC) $(OVS_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c,$<)

$B/obj/src/programs/virga-cni/%.o: OVS_CFLAGS :=

$B/obj/tests/%.o: tests/%.c $B/flags | $(OVS_ARCHIVE) $(GEN_HEADERS)
	$(call say,CC,$<)
	mkdir -p $(@D)
	$(call aside,$(CC) $(OVS_CFLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c,$<)

# Generated code is not held to our warnings.
$B/obj/gen/%.o: $B/gen/%.c $B/flags | $(OVS_ARCHIVE) $(GEN_HEADERS)
	$(call say,CC,$<)
	mkdir -p $(@D)
	$(call aside,$(CC) $(OVS_CFLAGS) -include src/base/ovs_json.h $(CPPFLAGS) $(CFLAGS) -w \
		-MMD -MP -MF $(@:.o=.d) -MT $@ -c,$<)

$B/gen/virga-idl.ovsidl: include/virga.ovsschema src/store/virga.ann | $(OVS_ARCHIVE)
	$(call say,GEN,$@)
	mkdir -p $(@D)
	PYTHONPATH=$(OVS)/python PYTHONDONTWRITEBYTECODE=1 \
	$(PYTHON) $(OVS)/bin/ovsdb-idlc annotate $^ >$@.$$$$.tmp && mv -f $@.$$$$.tmp $@

$B/gen/virga-idl.%: $B/gen/virga-idl.ovsidl
	$(call say,GEN,$@)
	PYTHONPATH=$(OVS)/python PYTHONDONTWRITEBYTECODE=1 \
	$(PYTHON) $(OVS)/bin/ovsdb-idlc c-idl-$(if $(filter %.h,$@),header,source) $< \
		>$@.$$$$.tmp && mv -f $@.$$$$.tmp $@

$B/gen/pipeline_flows.c: $(FLOW_FILES) scripts/embed
	$(call say,GEN,$@)
	mkdir -p $(@D)
	scripts/embed pipeline_flows $(FLOW_FILES) >$@.$$$$.tmp && mv -f $@.$$$$.tmp $@

define room_rules
$B/lib/$1.a: $(call room_objects,$1)
	$$(call say,AR,$$@)
	mkdir -p $$(@D)
	rm -f $$@.$$$$$$$$.tmp
	ar rcsD $$@.$$$$$$$$.tmp $$^ && mv -f $$@.$$$$$$$$.tmp $$@
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$r)))

# Links $^ without the flags; the archive of OVS comes with the libraries.
link = $(call aside,$(CC) $(CFLAGS) $(LDFLAGS),$(filter %.o,$^) $(filter $B/lib/%.a,$^) $1)

define program_rules
$B/bin/$1: $(call program_objects,$1) $(if $($1_ALONE),,$(ALL_ARCHIVES) $(OVS_ARCHIVE)) $B/flags
	$$(call say,LINK,$$@)
	mkdir -p $$(@D)
	$$(call link,$(or $($1_LIBS),$(LIBS)))
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$p)))

# What runs inside the lab's pods: libc alone.
$B/bin/labpod: $(wildcard scripts/lab*.[ch]) $B/flags
	$(call say,LINK,$@)
	mkdir -p $(@D)
	$(call aside,$(CC) -D_GNU_SOURCE $(CFLAGS) $(LDFLAGS),$(filter %.c,$^))

# --- Unit tests --------------------------------------------------------------

# $1: source; $2: objects; $3: archives; $4: libraries.
define test_rules
$B/test/$(notdir $(1:.c=)): $(call to_objects,$1) $2 $3 $B/flags
	$$(call say,LINK,$$@)
	mkdir -p $$(@D)
	$$(call link,$4 -lcmocka)
endef
room_of = $(word 2,$(subst /, ,$1))
program_of = $(word 3,$(subst /, ,$1))
$(foreach t,$(ROOM_TESTS),$(eval $(call test_rules,$t,,$(call archives,$(call room_of,$t)),$(LIBS))))
$(foreach t,$(PROGRAM_TESTS),$(eval $(call test_rules,$t,\
	$(filter-out %/main.o,$(call program_objects,$(call program_of,$t))),\
	$(if $($(call program_of,$t)_ALONE),,$(ALL_ARCHIVES)),\
	$(or $($(call program_of,$t)_LIBS),$(LIBS)))))

.PHONY: tests
tests: $(TESTS)

.PHONY: unit unit-built
unit: $(TESTS)
	scripts/run-unit $(TESTS)
# Runs what there is, for scripts/check, which counts what could not be built.
unit-built:
	scripts/run-unit $(TESTS)

# --- Fuzzing -----------------------------------------------------------------

$(foreach f,$(FUZZERS),$(eval $f: $(patsubst $B/fuzz/%,$B/obj/tests/fuzz/%.o,$f)))
$(FUZZERS): $(ALL_ARCHIVES) $B/flags
	$(call say,LINK,$@)
	mkdir -p $(@D)
	$(call link,$(LIBS))

.PHONY: fuzzers fuzz fuzz-replay
fuzzers: $(FUZZERS)
fuzz:
	$(MAKE) --no-print-directory FUZZ=1 fuzzers
	scripts/run-fuzz search $(FUZZ_SECONDS)
fuzz-replay:
	$(MAKE) --no-print-directory FUZZ=1 fuzzers
	scripts/run-fuzz replay

# --- Benchmarks --------------------------------------------------------------

BENCHES := $B/bench/compute $B/bench/evaluate
$(BENCHES): $B/bench/%: $B/obj/tests/bench/%.o $(ALL_ARCHIVES) $(OVS_ARCHIVE) $B/flags
	$(call say,LINK,$@)
	mkdir -p $(@D)
	$(call link,$(LIBS))

.PHONY: benches
benches: $(BENCHES)

# --- Other tests -------------------------------------------------------------

# The runners find the programs by this.
export VIRGA_BUILD := $(CURDIR)/$B

.PHONY: golden crds conformance check-conformance nightly e2e soak check check-san check-static lint demo bench
golden: programs
	tests/golden/run
crds: programs
	tests/crds/run
conformance: programs $B/test/conformance_test
	tests/conformance/run --short
check-conformance: programs $B/test/conformance_test
	tests/conformance/run
nightly: programs $B/test/conformance_test
	tests/conformance/run --nightly
e2e: programs
	tests/e2e/run $(E2E)
soak: programs
	tests/soak/run $(HOURS)
check:
	scripts/check
check-san:
	scripts/check san
check-static: programs
	scripts/check-format
	scripts/check-layers
	scripts/check-symbols
	scripts/check-banned
lint: check-static
	scripts/check-tidy
demo:
	scripts/setup
	$(MAKE) --no-print-directory -j$$(nproc) programs
	scripts/demo
bench:
	scripts/setup
	$(MAKE) --no-print-directory -j$$(nproc) programs benches
	tests/bench/run $(if $(RUNS),--runs $(RUNS)) $(BENCH)

# --- Installation ------------------------------------------------------------

bindir := $(DESTDIR)$(PREFIX)/bin
sbindir := $(DESTDIR)$(PREFIX)/sbin
datadir := $(DESTDIR)$(PREFIX)/share
unitdir := $(DESTDIR)$(PREFIX)/lib/systemd/system
cnidir := $(DESTDIR)/opt/cni/bin
INSTALL := install
UNITS := virga-ovsdb virga-controller virga-agent
BIN_PROGRAMS := $(filter virgactl,$(PROGRAMS))
SBIN_PROGRAMS := $(filter virga-controller virga-agent,$(PROGRAMS))
MAN_PAGES := $(wildcard docs/man/*.[1-8])

.PHONY: install uninstall
install: programs
	$(INSTALL) -d $(bindir) $(sbindir) $(cnidir) $(datadir)/virga $(unitdir) \
		$(datadir)/man/man1 $(datadir)/man/man8 $(datadir)/bash-completion/completions
	for p in $(BIN_PROGRAMS); do $(INSTALL) -m 755 $B/bin/$$p $(bindir)/; done
	for p in $(SBIN_PROGRAMS); do $(INSTALL) -m 755 $B/bin/$$p $(sbindir)/; done
	for p in $(filter virga-cni,$(PROGRAMS)); do $(INSTALL) -m 755 $B/bin/$$p $(cnidir)/; done
	for f in $(wildcard include/virga.ovsschema scripts/kubernetes/crds/*.yaml); do \
		$(INSTALL) -m 644 $$f $(datadir)/virga/; done
	for u in $(UNITS); do \
		sed 's,@PREFIX@,$(PREFIX),g' scripts/systemd/$$u.service.in >$(unitdir)/$$u.service && \
		chmod 644 $(unitdir)/$$u.service; done
	for m in $(MAN_PAGES); do $(INSTALL) -m 644 $$m $(datadir)/man/man$${m##*.}/; done
	for p in $(BIN_PROGRAMS); do \
		$B/bin/$$p completion bash >$(datadir)/bash-completion/completions/$$p; done
	echo "installed below $(DESTDIR)$(PREFIX); the CNI plugin in $(cnidir)"

uninstall:
	rm -f $(addprefix $(bindir)/,virgactl) $(addprefix $(sbindir)/,virga-controller virga-agent) \
		$(cnidir)/virga-cni $(UNITS:%=$(unitdir)/%.service) \
		$(foreach m,$(MAN_PAGES),$(datadir)/man/man$(lastword $(subst ., ,$m))/$(notdir $m)) \
		$(datadir)/bash-completion/completions/virgactl
	rm -rf $(datadir)/virga

# --- Housekeeping ------------------------------------------------------------

.PHONY: clean format compile_commands.json help
clean:
	rm -rf .build .build-san .build-fuzz compile_commands.json

format:
	clang-format -i $$(scripts/check-format --list)

# For editors and clang-tidy.
compile_commands.json:
	scripts/compile-commands '$(CURDIR)' gcc $(OVS_CFLAGS) $(CPPFLAGS) -std=gnu11 $(WARNINGS) >$@

help:
	echo "Build"
	echo "  make              build all programs into .build/bin/ (never installs packages)"
	echo "  make SAN=1 ...    the same with ASan and UBSan, in .build-san/"
	echo "  make V=1 ...      show the commands"
	echo "  make clean        remove what was built (not the cached libopenvswitch)"
	echo "Try"
	echo "  make demo         install what is missing, build, start a two-node lab with a shop"
	echo "Test"
	echo "  make check        install what is missing, build, run everything below (root)"
	echo "  make unit         unit tests;  make .build/test/NAME_test builds one"
	echo "  make golden       flows of every example against ovs-flows/golden/"
	echo "  make crds         the CustomResourceDefinitions against the decoders"
	echo "  make conformance  NetworkPolicy against the words of Kubernetes, as in make check;"
	echo "                    make check-conformance: more of it;  make nightly: all of it"
	echo "  make e2e          end to end on real OVS (root);  E2E='NAME...' for some"
	echo "  make soak         churn with probes for HOURS=$(HOURS) (root); make check: two minutes"
	echo "  make check-san    unit and end to end with ASan and UBSan"
	echo "  make fuzz-replay  known inputs through each decoder"
	echo "  make fuzz         search for new ones, FUZZ_SECONDS=$(FUZZ_SECONDS) per decoder"
	echo "  make lint         format, layers, symbols, banned calls, clang-tidy, cppcheck"
	echo "  make bench        BENCH='NAME...' RUNS=N: figures beside OVN and the raw limit (root);"
	echo "                    BENCH=smoke: a small lab;  tests/bench/run --list"
	echo "Install"
	echo "  make install      DESTDIR=$(DESTDIR) PREFIX=$(PREFIX);  make uninstall"
	echo "Edit"
	echo "  make format       lay out all sources with clang-format"
	echo "  make compile_commands.json"

-include $(shell find $B/obj -name '*.d' 2>/dev/null)
