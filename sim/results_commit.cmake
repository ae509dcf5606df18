# cmake -DROOT=. -DOUT=results_commit.h -P results_commit.cmake: the commit that is being built, with "-dirty" if
# files differ from it; empty without git. Written only when it changes, so that nothing is rebuilt in vain.
execute_process(COMMAND git -C ${ROOT} describe --always --dirty --abbrev=40 --exclude=*
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(text "#define HASSIM_COMMIT \"${commit}\"\n")
if(EXISTS ${OUT})
  file(READ ${OUT} before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE ${OUT} "${text}")
endif()
